import faulty
import pytest

pytest.register_assert_rewrite("aftermath")


@pytest.fixture(scope="session")
def disk(tmp_path_factory):
    """Return the library that makes a disk of which somebody else decides when it fails."""
    if faulty.MISSING:
        pytest.skip(faulty.MISSING)
    return faulty.built(tmp_path_factory.mktemp("disk"))
