"""Numbers that no log has are not errors, however large they are."""

import pytest
from support import Bench, on_disk
from test_loop import learned

from loopledger.adapters.sqlite.async_reader import open_async_reader


@pytest.fixture(params=["memory", "sqlite"])
def bench(request, tmp_path):
    bench = Bench(on_disk(tmp_path) if request.param == "sqlite" else None)
    learned(bench, 2)
    yield bench
    bench.loop.close()


@pytest.fixture
def reader(bench):
    reader = bench.place.store.reader()
    yield reader
    reader.close()


def seqs(records):
    return [record.seq for record in records]


@pytest.mark.parametrize("huge", [2**63 - 1, 2**63, 10**40])
def test_reading(reader, huge):
    everything = seqs(reader.records())
    assert len(everything) > 4
    assert seqs(reader.records(first=huge)) == []
    assert seqs(reader.records(last=huge)) == everything
    assert seqs(reader.records(first=-huge, last=huge)) == everything
    assert seqs(reader.records(last=-huge)) == []
    assert seqs(reader.records(first=huge, kinds=("Ranked",))) == []
    assert reader.record(huge) is None
    assert reader.record(-huge) is None
    assert reader.nth(("Ranked",), huge) is None
    assert reader.last_until(huge) == everything[-1]
    assert reader.last_until(-huge) == 0


@pytest.mark.parametrize("huge", [2**63 - 1, 2**63, 10**40])
async def test_reading_without_blocking(tmp_path, huge):
    bench = Bench(on_disk(tmp_path))
    learned(bench, 2)
    async with open_async_reader(tmp_path / "bench" / "log.db") as reader:
        everything = [record.seq async for record in reader.records()]
        assert len(everything) > 4
        assert [record.seq async for record in reader.records(first=-huge, last=huge)] == everything
        assert [record.seq async for record in reader.records(first=huge)] == []
        assert [record.seq async for record in reader.records(last=-huge)] == []
    bench.loop.close()
