"""Mutants of core: what is changed, in which copy of the sources, and which tests have to notice.

cosmic-ray makes the changes, one at a time: another operator, another number, a comparison the other way round, a
decorator or a branch gone. A mutant is killed when a test fails, or does not come to an end.
"""

# pyright: reportMissingImports=false
import ast
import compileall
import difflib
import os
import re
import resource
import signal
import sys
import time
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copytree, ignore_patterns
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# The quickest that kills most comes first: the first test that fails ends a mutant.
TESTS = {
    "core/log/chain.py": ["test_chain.py", "test_verify.py", "conformance/test_journal.py", "simulation"],
    "core/learning/joining.py": ["test_joining.py", "test_cooked.py"],
    "core/learning/aggregation.py": ["test_aggregation.py", "test_joining.py"],
    "core/learning/training.py": ["test_training.py", "test_relearning.py", "test_replay.py", "test_loop.py"],
    "core/learning/lineage.py": ["test_lineage.py", "test_state.py", "test_relearning.py"],
    "core/deciding/draw.py": ["test_draw.py", "test_ranking.py"],
    "core/deciding/ranking.py": ["test_ranking.py", "test_probabilities.py"],
    "core/deciding/decisions.py": ["test_decisions.py", "test_loop.py", "test_slots.py"],
    "core/deciding/context.py": ["test_context.py", "test_namespaces.py"],
    "core/deciding/slots.py": ["test_slots.py"],
    "core/decide.py": ["test_decide.py", "test_loop.py", "test_relearning.py", "test_policy.py"],
    "core/state.py": [
        "test_state.py",
        "test_evaluation_events.py",
        "test_relearning.py",
        "test_training.py",
        "test_loop.py",
    ],
}
FOLDERS = ("adapters", "config", "migrations")
# None of the other plugins that may be installed: to load them takes longer than most tests.
PLUGINS = ["-p", "pytest_asyncio.plugin", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider"]
# On which store a loop lies makes no difference to core, and on disk it is slow.
PYTEST = [
    "-q",
    "-x",
    "--tb=short",
    "-m",
    "not slow",
    "-k",
    "not disk",
    "--hypothesis-profile=mutants",
    *PLUGINS,
]
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# Equal and identical: of small numbers, None and names there is no difference, and Python warns of the rest.
SAME = re.compile("_(Is_Eq|IsNot_NotEq|(Eq|NotEq|Lt|LtE|Gt|GtE)_Is(Not)?)$")
# Imported once, for all the processes that are forked; nothing of loopledger is.
OFTEN = (
    "asyncio",
    "click",
    "hypothesis.strategies",
    "msgspec",
    "pykka",
    "rich.console",
    "structlog",
    "vowpalwabbit",
)


class NotTested(Exception):
    """The tests cannot say anything about mutants."""


class Limits(NamedTuple):
    """How long tests may take, in seconds, and in seconds of the processor: those do not hang on what else runs."""

    seconds: float
    processor: int


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
    """A copy of the sources and the tests that may be changed; its tests import loopledger from it."""

    def __init__(self, folder):
        self.tree = folder / "tree"
        unneeded = ignore_patterns("__pycache__", "node_modules", ".hypothesis", "clients")
        for name in ("core", *FOLDERS, "tests"):
            copytree(ROOT / name, self.tree / name, ignore=unneeded)
        (self.tree / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
        for name in FOLDERS:
            (self.tree / "core" / name).symlink_to(self.tree / name)
        self.imported = folder / "imported"
        self.imported.mkdir()
        (self.imported / "loopledger").symlink_to(self.tree / "core")
        # A mutant may be as long as what it replaces and made in the same second: only its hash tells it apart.
        compileall.compile_dir(self.tree, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        self.environment = ALONE | {"PYTHONPATH": str(self.imported)}
        self.temporary = folder / "temporary"
        self.output = folder / "output"

    def passes(self, module, limits=None, *, keep_bytecode=False):
        """Return whether a module's tests pass, in a process of their own and within limits."""
        process = get_context("fork").Process(target=self._run_tests, args=(module, limits, keep_bytecode))
        process.start()
        process.join(limits and limits.seconds)
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
        return process.exitcode == 0

    def _run_tests(self, module, limits, keep_bytecode):
        os.setsid()
        if limits is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limits.processor, limits.processor))
        with self.output.open("wb") as output:
            os.dup2(output.fileno(), sys.stdout.fileno())
            os.dup2(output.fileno(), sys.stderr.fileno())
        os.chdir(self.tree)
        os.environ |= self.environment
        if not keep_bytecode:
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = not keep_bytecode
        sys.path.insert(0, str(self.imported))
        tests = [f"tests/{name}" for name in TESTS[module]]
        sys.exit(pytest.main([*PYTEST, f"--basetemp={self.temporary}", *tests]))

    def limits_of(self, module):
        """Return what a module's tests may take with a mutant, and make sure that they hang on this very copy."""
        begun, before = time.monotonic(), os.times()
        if not self.passes(module, keep_bytecode=True):
            told = self.output.read_text("utf-8", "replace")
            raise NotTested(f"the tests of {module} fail without a mutant:\n{told[-4000:]}")
        seconds, after = time.monotonic() - begun, os.times()
        processor = (
            after.children_user + after.children_system - before.children_user - before.children_system
        )
        path = self.tree / module
        source = path.read_bytes()
        path.write_text("raise SystemError", "utf-8")
        passed = self.passes(module)
        path.write_bytes(source)
        if passed:
            raise NotTested(f"the tests of {module} pass without it: they import another one")
        return Limits(5 * seconds + 10, int(3 * processor) + 5)


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


def mutations_of(path, database):
    """Return what cosmic-ray would change in a module, in order, without what would change types or nothing."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB

    types = list(types_in(path.read_text("utf-8")))
    work = WorkDB(database, WorkDB.Mode.create)
    init([path], work, {})
    found = [mutation for item in work.work_items for mutation in item.mutations]
    work.close()
    changing = [one for one in found if not SAME.search(one.operator_name)]
    changing = [one for one in changing if not any(start <= one.start_pos < end for start, end in types)]
    return sorted(changing, key=lambda one: (one.start_pos, one.operator_name, one.occurrence))


def tally(copy, module, told, every=1):
    """Make every mutant of a module, or every so-manyth, and run its tests on each."""
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    for name in OFTEN:
        import_module(name)
    path = copy.tree / module
    limits = copy.limits_of(module)
    mutations = mutations_of(path, copy.tree.parent / f"{path.stem}.sqlite")[::every]
    survivors = []
    for done, mutation in enumerate(mutations, start=1):
        operator = get_operator(mutation.operator_name)(**mutation.operator_args)
        with use_mutation(path, operator, mutation.occurrence) as (before, after):
            passed = copy.passes(module, limits)
        if passed:
            lines = difflib.unified_diff(before.splitlines(), after.splitlines(), module, module, lineterm="")
            survivors.append("\n".join(lines))
        told(module, done, len(mutations), len(survivors))
    return Tally(module, len(mutations), survivors)
