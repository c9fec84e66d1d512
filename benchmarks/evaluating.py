"""Evaluating a candidate, against the native driver that predicts and learns the same examples."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from history import write
from measure import Ratios, Row, processor, resident, rounded, seconds
from native import native_seconds, ready_file, versions_of

from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner
from loopledger.evaluation.evaluate import evaluate
from loopledger.evaluation.judging import judge
from loopledger.evaluation.material import gather
from loopledger.evaluation.request import EvaluationRequest
from loopledger.evaluation.schedule import schedule
from loopledger.evaluation.tally import Tally
from loopledger.learning.replay import state_at

_DECISIONS = {5: 60_000, 10: 40_000}
_OFTEN = 2_000
_LONG = (20_000, 200_000)


def evaluating(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield how long a candidate takes, and how memory grows with the log."""
    for actions, decisions in _DECISIONS.items():
        with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
            write(Path(data), "news", decisions, actions=actions, train_every=_OFTEN)
            yield from _against_native(Path(data), actions, decisions, rounds)
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        yield _growth(Path(data))


def _against_native(data: Path, actions: int, decisions: int, rounds: int) -> Iterator[Row]:
    place = in_folder(data / "news")
    once, twice, per_core = Ratios(), Ratios(), Ratios()
    with closing(place.store.reader()) as reader:
        learning = ready_file(reader, data / "ready.json")
        _, version = next(versions_of(reader))
        last = reader.head().seq
        scratch = data / "scratch"
        scratch.mkdir()

        state = state_at(reader, last)
        begun = time.perf_counter()
        material = gather(reader, state, "Ranked", 1, last, scratch)
        reading = time.perf_counter() - begun
        plan = schedule(reader, material, last)

        def ours() -> None:
            tally = Tally(minimum_probability=0.001)
            with closing(VwLearner()) as learner:
                for cases, answers in judge(material, plan, learner, version.policy):
                    tally.add(cases, answers)
            if tally.sums().cases != decisions or abs(tally.sums().weight - decisions) > 1e-6 * decisions:
                raise AssertionError("the loop's own policy did not say what the loop did")

        predicting = ["--predictions", str(data / "said.txt")]
        model, other = data / "native.vw", data / "other.vw"

        def one_pass() -> float:
            return native_seconds(model, [*learning, *predicting])

        def two_passes() -> float:
            native_seconds(model, learning)
            test = [*learning, *predicting, "--testonly", "--initial_regressor", str(model)]
            return native_seconds(other, test)

        for _ in range(rounds):
            native_once = seconds(one_pass)
            native_twice = seconds(two_passes)
            native_cores = processor(two_passes)
            cores = processor(ours)
            wall = seconds(ours)
            figures = {"seconds": wall, "decisions_per_second": decisions / wall, "reading_the_log": reading}
            once.add(wall / native_once, **figures, native_seconds=native_once)
            twice.add(wall / native_twice, **figures, native_seconds=native_twice)
            per_core.add(cores / native_cores, processor_seconds=cores, native_processor_seconds=native_cores)
    where = f"{decisions:,} decisions, {actions} actions, {decisions // _OFTEN} batches"
    what = "evaluating one candidate"
    yield twice.row(what, "native driver, one run that predicts and one that learns", where, at_most=1.5)
    yield per_core.row(what, "the same, in processor time", where, at_most=1.5)
    yield once.row(what, "native driver, predicting while it learns", where, at_most=1.5)


def _growth(data: Path) -> Row:
    """Compare what a short log and one ten times as long take of memory, each in a process of its own."""
    grown = []
    for decisions in _LONG:
        write(data, f"news-{decisions}", decisions, train_every=20_000)
        done = subprocess.run(
            [sys.executable, __file__, str(data / f"news-{decisions}")], check=True, capture_output=True
        )
        grown.append(msgspec.json.decode(done.stdout, type=int))
    short, long = _LONG
    ratios = Ratios()
    ratios.add(grown[1] / grown[0], megabytes_short=grown[0] / 1e6, megabytes_long=grown[1] / 1e6)
    return ratios.row(
        "evaluating, memory", f"a log of {short:,} decisions", f"{long:,} decisions", at_most=1.2
    )


def _whole(folder: Path) -> int:
    """Return the bytes in memory when a whole evaluation is done."""
    with (
        TemporaryDirectory(dir=folder) as scratch,
        closing(VwLearner(workers=1)) as learner,
        closing(in_folder(folder).store.reader()) as reader,
    ):
        request = EvaluationRequest(first=1, last=reader.head().seq)
        evaluate(reader, learner, request, scratch=Path(scratch))
        return round(rounded(resident()))


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_whole(Path(sys.argv[1]))))
