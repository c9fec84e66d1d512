"""Verifying side by side gives what verifying in one process gives, and no process fails unheard."""

import shutil
import sys
from contextlib import closing

import learned
import pytest

from loopledger.adapters import verifier
from loopledger.adapters.place import in_folder
from loopledger.adapters.verifier import side_by_side
from loopledger.audit.segment import segments
from loopledger.audit.verification import Findings
from loopledger.audit.verify import verify
from loopledger.errors import LoopledgerError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verifier")
    learned.make(folder, rounds=4)
    return folder / "news"


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "news")


@pytest.fixture(autouse=True)
def _every_segment_is_worth_a_process(monkeypatch):
    monkeypatch.setattr(verifier, "_WORTH_A_PROCESS", 1)


def verified(folder, vw, run=None, progress=None):
    place = in_folder(folder)
    with closing(place.store.reader()) as reader:
        return verify(reader, vw, place.checkpoints, run=run, progress=progress)


def pieces(folder):
    place = in_folder(folder)
    with closing(place.store.reader()) as reader:
        return segments(reader, place.checkpoints)


def keep_all(folder, vw):
    """Keep every version's bytes, so that each is a segment of its own."""
    from loopledger.learning.replay import rebuild

    place = in_folder(folder)
    with closing(place.store.reader()) as reader:
        for version in range(1, 5):
            place.checkpoints.save_model(version, rebuild(reader, vw, version))


@pytest.mark.parametrize("processes", [1, 3])
def test_side_by_side_or_one_after_the_other(folder, vw, processes):
    keep_all(folder, vw)
    assert len(pieces(folder)) > 4
    alone = verified(folder, vw)
    assert verified(folder, vw, side_by_side(folder, processes)) == alone
    assert (alone.holds, alone.findings.versions, alone.findings.decisions) == (True, 4, 240)


def test_what_does_not_hold_is_found_side_by_side_too(folder, vw):
    keep_all(folder, vw)
    seqs = learned.seqs(folder / "log.db", "Rewarded")
    for seq in (seqs[3], seqs[133]):
        change = f"UPDATE events SET body = json_set(body, '$.value', 0.5) WHERE seq = {seq}"
        learned.tamper(folder / "log.db", change)
    alone = verified(folder, vw)
    # The chain breaks once; two models in different segments are not what they were.
    assert len(alone.findings.problems) == 3
    assert verified(folder, vw, side_by_side(folder, 2)) == alone


def test_progress_reaches_its_end(folder, vw):
    told = []
    verified(folder, vw, side_by_side(folder, 2), lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert all(done <= total for done, total in told)
    assert told[-1][0] > 200


def test_nothing_to_check_is_no_process(folder, monkeypatch):
    monkeypatch.setattr(verifier.subprocess, "Popen", None)
    assert list(side_by_side(folder)([], lambda _: None)) == []


def test_a_process_that_cannot_begin_is_an_error(folder):
    parts = pieces(folder)
    with pytest.raises(LoopledgerError, match="a verifying process ended with 1"):
        list(side_by_side(folder / "nowhere")(parts, lambda _: None))


@pytest.mark.faults
@pytest.mark.parametrize("how", ["raise SystemExit(5)", "import os; os.kill(os.getpid(), 9)"])
@pytest.mark.parametrize("heard", [True, False])
def test_a_process_that_dies_is_an_error(folder, tmp_path, monkeypatch, how, heard):
    # A program that stands in for Python and dies before or after it heard what it should do.
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n" + heard * "input()\n" + how + "\n")
    program.chmod(0o755)
    parts = pieces(folder)
    monkeypatch.setattr(verifier.sys, "executable", str(program))
    ended = "5" if "5" in how else "-9"
    with pytest.raises(LoopledgerError, match=f"a verifying process ended with {ended}"):
        list(side_by_side(folder, 2)(parts, lambda _: None))


def test_a_process_that_talks_nonsense_is_an_error(folder, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\ninput()\nprint('nonsense', flush=True)\ninput()\n")
    program.chmod(0o755)
    parts = pieces(folder)
    monkeypatch.setattr(verifier.sys, "executable", str(program))
    with pytest.raises(LoopledgerError, match="a verifying process"):
        list(side_by_side(folder, 2)(parts, lambda _: None))


def test_an_interruption_while_listening_gets_through(folder):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(side_by_side(folder, 2)(pieces(folder), interrupt))


def test_the_folder_where_it_is_called_decides_nothing(folder, vw, tmp_path, monkeypatch):
    (tmp_path / "loopledger.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    assert verified(folder, vw, side_by_side(folder, 2)).holds


def test_findings_add_up():
    one = Findings(events=1, versions=2, decisions=3, unchecked_versions=1)
    assert one.plus(Findings()) == one == Findings().plus(one)
    assert one.plus(one).decisions == 6
