"""Mutants of core: what is changed, in which copy of the sources, and which tests have to notice.

cosmic-ray makes the changes, one at a time: another operator, another number, a comparison the other way round, a
decorator or a branch gone. A mutant is killed when a test fails, or does not come to an end.
"""

# pyright: reportMissingImports=false
import ast
import compileall
import os
import shlex
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copytree, ignore_patterns
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

# The quickest that kills most comes first: the first test that fails ends a mutant.
TESTS = {
    "core/log/chain.py": ["test_chain.py", "test_verify.py", "conformance/test_journal.py", "simulation"],
    "core/learning/joining.py": ["test_joining.py", "test_cooked.py", "simulation", "test_vw.py"],
    "core/learning/aggregation.py": ["test_aggregation.py", "test_joining.py"],
    "core/learning/training.py": ["test_relearning.py", "test_replay.py", "test_loop.py", "simulation"],
    "core/learning/lineage.py": ["test_lineage.py", "test_state.py", "test_relearning.py", "test_loop.py"],
    "core/deciding/draw.py": ["test_draw.py", "test_ranking.py"],
    "core/deciding/ranking.py": ["test_ranking.py", "test_probabilities.py", "test_slots.py", "test_loop.py"],
    "core/deciding/decisions.py": ["test_ranking.py", "test_loop.py", "test_slots.py", "test_repeating.py"],
    "core/deciding/context.py": ["test_context.py", "test_namespaces.py", "test_question.py"],
    "core/deciding/slots.py": ["test_slots.py", "test_context.py"],
    "core/decide.py": ["test_loop.py", "test_relearning.py", "test_policy.py", "simulation"],
    "core/state.py": ["test_state.py", "test_relearning.py", "test_loop.py", "simulation"],
}
FOLDERS = ("adapters", "config", "migrations")
# None of the other plugins that may be installed: to load them takes longer than most tests.
PYTEST = (
    "-m pytest -q -x --tb=short -m 'not slow' -p pytest_asyncio.plugin -p _hypothesis_pytestplugin"
    " -p no:cacheprovider --hypothesis-profile=mutants"
)
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class NotTested(Exception):
    """The tests cannot say anything about mutants."""


class Tally(NamedTuple):
    """How many mutants there were, and the changes that no test noticed."""

    module: str
    mutants: int
    survivors: list[str]

    @property
    def killed(self):
        return self.mutants - len(self.survivors)

    @property
    def score(self):
        return self.killed / self.mutants if self.mutants else 1.0


class Copy:
    """A copy of the sources and the tests that may be changed; Python imports loopledger from it."""

    def __init__(self, folder):
        self.tree = folder / "tree"
        unneeded = ignore_patterns("__pycache__", "node_modules", ".hypothesis", "clients")
        for name in ("core", *FOLDERS, "tests"):
            copytree(ROOT / name, self.tree / name, ignore=unneeded)
        (self.tree / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
        for name in FOLDERS:
            (self.tree / "core" / name).symlink_to(self.tree / name)
        imported = folder / "imported"
        imported.mkdir()
        (imported / "loopledger").symlink_to(self.tree / "core")
        # A mutant may be as long as what it replaces and made in the same second: only its hash tells it apart.
        compileall.compile_dir(self.tree, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        self.environment = ALONE | {"PYTHONPATH": str(imported)}
        self.temporary = folder / "temporary"

    def command(self, module):
        """Return the line that runs a module's tests."""
        tests = " ".join(f"tests/{name}" for name in TESTS[module])
        return f"{shlex.quote(sys.executable)} {PYTEST} --basetemp={shlex.quote(str(self.temporary))} {tests}"

    def run(self, module, **more):
        return subprocess.run(
            shlex.split(self.command(module)),
            cwd=self.tree,
            env=os.environ | self.environment | more,
            capture_output=True,
            text=True,
            check=False,
        )

    def time_of(self, module):
        """Return how long a module's tests take, in seconds, and make sure that they hang on this very copy."""
        begun = time.monotonic()
        whole = self.run(module)
        taken = time.monotonic() - begun
        if whole.returncode:
            raise NotTested(f"the tests of {module} fail without a mutant:\n{whole.stdout[-4000:]}")
        path = self.tree / module
        source = path.read_bytes()
        path.write_text("raise SystemError", "utf-8")
        broken = self.run(module, PYTHONDONTWRITEBYTECODE="1")
        path.write_bytes(source)
        if not broken.returncode:
            raise NotTested(f"the tests of {module} pass without it: they import another one")
        return taken


def types_in(source):
    """Return where a module names types, from and to, in lines and columns.

    Annotations, patterns, and what isinstance is asked: `A + B` instead of `A | B` is no mistake that anybody makes,
    and would count as killed by the first import.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arg(annotation=ast.expr() as types) | ast.AnnAssign(annotation=types):
                pass
            case ast.FunctionDef(returns=ast.expr() as types):
                pass
            case ast.MatchOr():
                types = node
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, types]):
                pass
            case _:
                continue
        yield (types.lineno, types.col_offset), (types.end_lineno, types.end_col_offset)


def tally(copy, module, told):
    """Make every mutant of a module and run its tests on each."""
    from cosmic_ray.commands import init
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_db import WorkDB

    path = copy.tree / module
    most = 5 * copy.time_of(module) + 10
    types = list(types_in(path.read_text("utf-8")))
    work = WorkDB(copy.tree.parent / f"{path.stem}.sqlite", WorkDB.Mode.create)
    init([path], work, {})
    mutations = [
        mutation
        for item in work.work_items
        for mutation in item.mutations
        if not any(start <= mutation.start_pos < end for start, end in types)
    ]
    work.close()
    survivors = []
    before = dict(os.environ)
    os.environ |= copy.environment  # cosmic-ray hands on its own
    try:
        for done, mutation in enumerate(mutations, start=1):
            with chdir(copy.tree):
                result = mutate_and_test([mutation], copy.command(module), most)
            if not result.is_killed:
                survivors.append(result.diff.replace(f"{copy.tree}/", ""))
            told(module, done, len(mutations), len(survivors))
    finally:
        os.environ.clear()
        os.environ |= before
    return Tally(module, len(mutations), survivors)
