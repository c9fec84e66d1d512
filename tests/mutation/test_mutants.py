import subprocess
import sys

import pytest
from mutants import ROOT, TESTS, Copy, types_in


@pytest.mark.parametrize("module", sorted(TESTS))
def test_what_is_named_is_there(module):
    assert (ROOT / module).is_file()
    assert all((ROOT / "tests" / name).exists() for name in TESTS[module])


def test_the_copy_is_what_python_imports(tmp_path):
    copy = Copy(tmp_path)
    chain = copy.tree / "core/log/chain.py"
    chain.write_text(f"{chain.read_text('utf-8')}\nCHANGED = True\n", "utf-8")
    program = "from loopledger.log import chain; from loopledger.adapters import system_clock; print(chain.CHANGED, chain.__file__, system_clock.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", program], env=copy.environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[0] == "True"
    assert all(path.startswith(str(tmp_path)) for path in told[1:])


def test_types_are_not_changed():
    source = """
def f(a: int | None, b=1 | 2) -> str | None:
    c: int | float = 3 | 4
    match isinstance(a, int | str):
        case list() | tuple():
            return 5 | 6
"""
    lines = source.splitlines()
    found = [lines[line - 1][column:end] for (line, column), (_, end) in types_in(source)]
    assert sorted(found) == ["int | None", "int | float", "int | str", "list() | tuple()", "str | None"]
