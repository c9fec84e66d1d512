"""Looking back in a long log: why, models, verifying, reading and exporting."""

import io
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from history import write
from measure import Ratios, Row, processor, resident, seconds
from native import native_seconds, ready_file, versions_of

from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner
from loopledger.learning.training import fold, step_of
from loopledger.log.events import decode_apart

_DECISIONS = 500_000
_INTERVAL = 20_000
_OFTEN = 4_000


def auditing(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield how long it takes to look into a log of a million events."""
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        write(Path(data), "news", _DECISIONS, train_every=_OFTEN)
        learner = VwLearner()
        view = LoopView("news", in_folder(Path(data, "news")), learner)
        events = view.status().events
        with closing(learner):
            yield from _answers(view, learner, events, rounds)
            yield from _verifying(view, learner, Path(data), events, rounds)
            yield from _reading(view, Path(data), events, rounds)


def _answers(view: LoopView, learner: VwLearner, events: int, rounds: int) -> Iterator[Row]:
    """Ask about the versions that are farthest from what is kept."""
    models = view.models()
    behind = {0: 0}
    for model in models:
        behind[model.version] = 0 if model.kept else behind[model.parent] + model.decisions
    worst = max(behind, key=behind.__getitem__)
    served = models[worst - 1].served[0]
    event_id = next(one.event_id for one in view.log(first=served.first, kinds=["Ranked"])) or ""
    asking, rebuilding = Ratios(), Ratios()
    with closing(view.place.store.reader()) as reader:
        steps = [step_of(event) for _, event in versions_of(reader)][: _INTERVAL // _OFTEN]

        def one_interval() -> None:
            model = None
            for step in steps:
                model = fold(step, model, reader, learner).model

        for _ in range(rounds):
            interval = seconds(one_interval)
            why = seconds(lambda: view.why(event_id))
            made = seconds(lambda: view.model(seq=served.first))
            asking.add(why / interval, seconds=why, interval_seconds=interval)
            rebuilding.add(made / interval, seconds=made, interval_seconds=interval)
    where = f"{events:,} events, a version every {_OFTEN:,} decisions, the worst one"
    learned = {"decisions_learned_again": behind[worst]}
    yield rebuilding.row("model --as-of", f"learning {_INTERVAL:,} decisions", where, at_most=1.0, **learned)
    yield asking.row("why", f"learning {_INTERVAL:,} decisions", where, at_most=1.0, **learned)


def _verifying(view: LoopView, learner: VwLearner, data: Path, events: int, rounds: int) -> Iterator[Row]:
    """Compare checking the chain, every version and every decision with what the engine alone needs.

    Compared are seconds of processor time, so that it is a ratio for each core; how many cores were
    at work stands beside it.
    """
    learning, both = Ratios(), Ratios()
    with closing(view.place.store.reader()) as reader:
        arguments = ready_file(reader, data / "ready.json")
        _, first = next(versions_of(reader))
        some = islice(reader.records(kinds=["Ranked"]), 50_000)
        contexts = [decode_apart(one.body, one.seq)[1] for one in some]
    decisions = view.status().counts["Ranked"]
    scorer = learner.scorer(first.policy, view.model(1).data)

    def predict() -> None:
        for context in contexts:
            scorer.score(context)

    for _ in range(rounds):
        native = processor(lambda: native_seconds(data / "native.vw", arguments))
        predicting = processor(predict) * decisions / len(contexts)
        begun = time.perf_counter()
        ours = processor(lambda: verified(view))
        wall = time.perf_counter() - begun
        figures = {"seconds": wall, "events_per_second": events / wall, "cores_at_work": ours / wall}
        learning.add(native / ours, **figures)
        both.add((native + predicting) / ours, **figures)
    scorer.close()
    what, where = "verify: chain, every version, every decision", f"{events:,} events, {os.cpu_count()} cores"
    yield learning.row(what, "native driver learning a ready file, per core", where, at_least=0.5)
    yield both.row(what, "the same, and predicting every context, per core", where, at_least=0.5)


def verified(view: LoopView) -> None:
    """Check a loop, which has to hold."""
    if not view.verify().holds:
        raise AssertionError("the log does not hold")


def _reading(view: LoopView, data: Path, events: int, rounds: int) -> Iterator[Row]:
    """Compare reading and exporting with reading the same rows from SQLite, and watch the memory."""
    work = {
        "log, every event": lambda: sum(1 for _ in view.log()),
        "export as dsjson": lambda: view.export(io.BufferedWriter(Nowhere()), format="dsjson"),
        "export as csv": lambda: view.export(io.BufferedWriter(Nowhere()), format="csv"),
        "export of events": lambda: view.export(io.BufferedWriter(Nowhere()), format="events"),
    }
    for name, do in work.items():
        ratios = Ratios()
        for _ in range(max(1, rounds)):
            plain = seconds(lambda: _plain(data / "news" / "log.db"))
            before = resident()
            ours = seconds(do)
            grown = max(0, resident() - before) / 1e6
            ratios.add(
                plain / ours,
                seconds=ours,
                events_per_second=events / ours,
                megabytes_grown=grown,
            )
        yield ratios.row(name, "SELECT of the same rows in Python", f"{events:,} events")


class Nowhere(io.RawIOBase):
    """Takes what is written, and forgets it."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]


def _plain(database: Path) -> None:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for _ in connection.execute("SELECT seq, at, kind, event_id, codec, body, digest FROM events"):
            pass
