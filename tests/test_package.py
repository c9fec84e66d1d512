"""The package as a whole: what is in it, what it imports, and how it is laid out."""

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, entry_points, metadata
from importlib.resources import files
from pathlib import Path
from statistics import median

import pytest

import loopledger
from loopledger.adapters.sqlite.migrations import migrations

CHECKOUT = Path(__file__).parents[1]
in_checkout = pytest.mark.skipif(
    not (CHECKOUT / "pyproject.toml").is_file(), reason="there is no checkout around these tests"
)

MIGRATIONS = {
    "0001_log.sql": "ec006d55b9ea3a3e93e5179ca587426942eba44adae2794c7e97e75e668a5da0",
    "0002_erasing.sql": "6eb0c38434ffc88e5962885fcc2fe58869a2cacee5d1bc30202b4e880ba6d42c",
    "0003_compression.sql": "6e294ec5c35b0633c1a5aac70382781fef4873fa03aaffd8640e6934baf86a48",
}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))


def modules():
    """Return every module of the package by its place in it, however the package is installed."""
    found = {path.name: path for path in Path(loopledger.__file__).parent.glob("*.py")}
    for name in (*CORE_FOLDERS, "adapters", "config", "migrations"):
        (folder,) = importlib.import_module(f"loopledger.{name}").__path__
        paths = Path(folder).rglob("*.py")
        found |= {str(Path(name) / path.relative_to(folder)): path for path in paths}
    return dict(sorted(found.items()))


CORE_FOLDERS = ("audit", "deciding", "evaluation", "exchange", "learning", "log")
EVERYTHING = modules()
CORE = {name: path for name, path in EVERYTHING.items() if name.partition("/")[0] in {name, *CORE_FOLDERS}}


def names_used(path):
    """Return what a module imports, and every dotted name in it."""
    tree = ast.parse(path.read_text("utf-8"))
    imported, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            used.add(ast.unparse(node))
    return imported, used


def roots(names):
    return {name.split(".")[0] for name in names}


# Modules of the standard library through which the world could come in.
WORLD = {
    *("asyncio", "datetime", "http", "io", "multiprocessing", "pathlib", "platform", "random", "secrets"),
    *(
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "sys",
        "tempfile",
        "time",
        "urllib",
        "uuid",
    ),
}


@pytest.mark.parametrize("name", CORE)
def test_the_core_knows_nothing_of_adapters(name):
    imported, _ = names_used(CORE[name])
    # The front door names them for type checkers, and hands them on when they are asked for.
    assert name == "__init__.py" or not {n for n in imported if n.startswith("loopledger.adapters")}
    outside = roots(imported) - set(sys.stdlib_module_names)
    # What evaluates computes with columns; it is imported only when something is evaluated.
    columns = {"numpy", "scipy"} if name.startswith("evaluation/") else set()
    assert outside <= {"loopledger", "msgspec", "pykka", "structlog"} | columns


@pytest.mark.parametrize("name", CORE)
def test_the_core_asks_nobody_for_the_time_chance_or_the_environment(name):
    imported, used = names_used(CORE[name])
    # An evaluation is handed a folder for what it reads, which is more than fits into memory.
    handed = {f"evaluation/{one}.py" for one in ("evaluate", "leaving_out", "material", "optimize")}
    scratch = {"pathlib"} if name in handed else set()
    assert not roots(imported) & (WORLD - scratch)
    # Of the system it asks only which process it is in: forks must not write.
    assert {what for what in used if what.startswith("os.")} <= {"os.getpid"}
    assert "threading.Timer" not in used | imported
    tree = ast.parse(CORE[name].read_text("utf-8"))
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "eval", "exec", "input"}
    # Hashes of strings differ from process to process; an answer's __hash__ goes no further.
    assert "hash" not in calls or name == "answers.py"


@pytest.mark.parametrize("name", EVERYTHING)
def test_nothing_is_unpickled_or_run_from_a_string(name):
    imported, _ = names_used(EVERYTHING[name])
    assert not roots(imported) & {"pickle", "marshal", "shelve", "multiprocessing", "loopledger.core", "core"}


def test_modules_are_short():
    every = {name: len(path.read_text("utf-8").splitlines()) for name, path in EVERYTHING.items()}
    assert {name: lines for name, lines in every.items() if lines > 400} == {}
    assert median(every.values()) < 150


def test_the_front_door_names_what_there_is():
    assert loopledger.__all__ == sorted(loopledger.__all__)
    for name in loopledger.__all__:
        assert getattr(loopledger, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = loopledger.nonsense
    assert loopledger.open is loopledger.Ledger
    assert loopledger.open_async is loopledger.AsyncLedger


def test_everything_can_be_imported():
    for name, path in EVERYTHING.items():
        parts = ["loopledger", *Path(name).with_suffix("").parts]
        module = ".".join(part for part in parts if part != "__init__")
        assert importlib.import_module(module).__doc__, path


def test_what_is_public_has_a_docstring():
    for name in loopledger.__all__:
        assert getattr(loopledger, name).__doc__, name


def imported_by(statement):
    """Return the modules that a fresh interpreter has loaded after a statement."""
    script = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    # -P: a folder called core beside us must not be what is imported.
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stdout))


def test_importing_it_loads_no_adapter():
    loaded = imported_by("import loopledger")
    assert not {name for name in loaded if name.startswith("loopledger.adapters")}
    assert not loaded & {
        "vowpalwabbit",
        "pylibvw",
        "sqlite3",
        "aiosqlite",
        "asyncio",
        "click",
        "rich",
        "numpy",
    }
    assert "loopledger.adapters.embedding.ledger" in imported_by("import loopledger; loopledger.open")


def test_the_command_line_loads_only_what_a_command_needs():
    loaded = imported_by("import loopledger.adapters.cli.main")
    assert not loaded & {"vowpalwabbit", "pylibvw", "aiosqlite", "rich", "sklearn", "matplotlib", "numpy"}


def test_the_plain_engine_is_loaded_and_not_its_wrapper():
    # The wrapper brings pandas, scipy and numpy, and seconds.
    loaded = imported_by("import loopledger; loopledger.open")
    assert not roots(loaded) & {"pandas", "scipy", "numpy", "sklearn", "matplotlib", "pyarrow"}


def test_the_types_are_announced():
    assert files("loopledger").joinpath("py.typed").is_file()


def test_settings_policies_and_migrations_come_with_it():
    config = files("loopledger.config")
    assert config.joinpath("default.toml").is_file()
    assert len(loopledger.ready_policies()) == len(list(config.joinpath("policies").iterdir()))
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_that_logs_went_through_never_changes():
    # A log remembers the hash of every step, and a changed one would refuse it.
    assert {step.name: sha256(step.sql.encode()).hexdigest() for step in migrations()} == MIGRATIONS
    assert all(step.sha256 == MIGRATIONS[step.name] for step in migrations())


def test_the_command_is_installed():
    (command,) = [point for point in entry_points(group="console_scripts") if point.name == "loopledger"]
    assert command.load().name == "main"


def test_the_version_is_said_once_more_correctly():
    try:
        said = metadata("loopledger")
    except PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert said["Version"] == loopledger.__version__


@in_checkout
def test_the_version_is_that_of_the_project(project):
    assert project["project"]["version"] == loopledger.__version__


@in_checkout
def test_every_folder_with_modules_is_a_package(project):
    setuptools = project["tool"]["setuptools"]
    folders = {
        path.parent.relative_to(CHECKOUT)
        for top in ("core", "adapters", "config", "migrations")
        for path in (CHECKOUT / top).rglob("*.py")
    }
    assert {Path(folder) for folder in setuptools["package-dir"].values()} == folders
    assert setuptools["packages"] == sorted(setuptools["package-dir"]) == sorted(setuptools["packages"])
    for folder in folders:
        assert (CHECKOUT / folder / "__init__.py").is_file()


@in_checkout
def test_every_file_that_is_read_is_packaged(project):
    for package, patterns in project["tool"]["setuptools"]["package-data"].items():
        folder = CHECKOUT / project["tool"]["setuptools"]["package-dir"][package]
        packaged = {path for pattern in patterns for path in folder.glob(pattern)}
        there = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
        assert there == packaged


@in_checkout
def test_what_is_imported_is_what_is_in_the_checkout():
    # A file that is new in the checkout is not in an installation that was made before.
    there = {
        path.relative_to(CHECKOUT / "core") if top == "core" else path.relative_to(CHECKOUT)
        for top in ("core", "adapters", "config", "migrations")
        for path in (CHECKOUT / top).rglob("*.py")
    }
    assert {Path(name) for name in EVERYTHING} == there, "install the package again: pip install -e ."


@in_checkout
@pytest.mark.parametrize("name", ["core", "core.events", "core.adapters"])
def test_the_sources_are_not_imported_under_another_name(name):
    # From the root of the checkout it would work, and give a second copy of every class.
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "ImportError: import loopledger, not core" in done.stderr


@in_checkout
def test_dependencies_are_those_that_are_imported(project):
    declared = {line.split(">")[0] for line in project["project"]["dependencies"]}
    imported = {root for path in EVERYTHING.values() for root in roots(names_used(path)[0])}
    in_newer_pythons = {"compression"}
    outside = imported - set(sys.stdlib_module_names) - {"loopledger"} - in_newer_pythons
    names = {
        "backports": "backports.zstd",
        "prometheus_client": "prometheus-client",
        "pylibvw": "vowpalwabbit",
        "sklearn": "scikit-learn",
    }
    extras = project["project"]["optional-dependencies"]
    extra = {
        line.split(">")[0]
        for name in ("demo", "evaluation", "http", "optimization", "parquet", "signed")
        for line in extras[name]
    }
    found_by_uvicorn = {"httptools", "uvloop"}
    assert {names.get(name, name) for name in outside} == (declared | extra) - found_by_uvicorn
