"""Rebuilding from the log: against VowpalWabbit's native driver, and from the nearest checkpoint."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from history import write
from measure import Ratios, Row, seconds
from native import native_seconds, ready_file, versions_of

from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner
from loopledger.learning.replay import rebuild

_DECISIONS = {5: 100_000, 10: 60_000, 50: 20_000}


def from_the_log(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the native driver's time on a ready file over that of rebuilding from the log."""
    for actions, decisions in _DECISIONS.items():
        with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
            write(Path(data), "news", decisions, actions=actions)
            yield _against_native(Path(data), actions, decisions, rounds)


def _against_native(data: Path, actions: int, decisions: int, rounds: int) -> Row:
    place = in_folder(data / "news")
    learner = VwLearner(workers=1)
    ready, made = data / "ready.json", data / "native.vw"
    ratios = Ratios()
    with closing(learner), closing(place.store.reader()) as reader:
        versions = [event for _, event in versions_of(reader)]
        arguments = ready_file(reader, ready)
        again = b""

        def from_log() -> None:
            nonlocal again
            again = rebuild(reader, learner, versions[-1].version)

        for _ in range(rounds):
            native = native_seconds(made, arguments)
            ours = seconds(from_log)
            ratios.add(
                native / ours,
                native_examples_per_second=decisions / native,
                rebuilt_examples_per_second=decisions / ours,
            )
    if sha256(again).hexdigest() != versions[-1].sha256:
        raise AssertionError("the rebuilt model is another")
    return ratios.row(
        "rebuilding a model from the log",
        "native driver, ready file",
        f"{decisions:,} decisions, {actions} actions, {len(versions)} versions",
        at_least=0.8,
    )


def any_past_version(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the time for the worst past version over that of rebuilding the newest from the beginning."""
    decisions, often = 100_000, 2_000
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        write(Path(data), "news", decisions, train_every=often)
        place = in_folder(Path(data, "news"))
        learner = VwLearner(workers=1)
        ratios = Ratios()
        with closing(learner), closing(place.store.reader()) as reader:
            versions = dict(versions_of(reader))
            events = list(versions.values())
            behind: dict[int, int] = {0: 0}
            for event in events:
                kept = place.checkpoints.load_model(event.version) is not None
                behind[event.version] = 0 if kept else behind[event.parent] + event.decisions
            worst = max(behind, key=behind.__getitem__)
            for _ in range(rounds):
                nearest = seconds(lambda: rebuild(reader, learner, worst, place.checkpoints))
                beginning = seconds(lambda: rebuild(reader, learner, events[-1].version))
                ratios.add(nearest / beginning, worst_seconds=nearest, from_the_beginning_seconds=beginning)
        row = ratios.row(
            "any past version",
            "from the beginning",
            f"{decisions:,} decisions, a version every {often:,}, the worst one",
            decisions_learned_again=behind[worst],
            versions=len(events),
        )
        row.goal = "at most 20,000 decisions learned again"
        row.met = behind[worst] <= 20_000
        yield row
