"""What there is to say about how an evaluation was made, before any figure is looked at."""

from loopledger.evaluation.asking import Asked
from loopledger.evaluation.report import Caution
from loopledger.evaluation.schedule import BATCH, Schedule
from loopledger.learning.replay import version_event
from loopledger.log.events import ModelImported
from loopledger.log.journal import Reader


def remarks(reader: Reader, asked: Asked, plan: Schedule) -> list[Caution]:
    """Return what there is to say about the range and how candidates learn from it."""
    found: list[Caution] = []
    if asked.other:
        what = "several slots" if asked.kind == "Ranked" else "one action"
        found.append(
            Caution(
                "other-kind",
                f"{asked.other:,} decisions of the range are for {what} and were not judged; "
                "evaluate them apart.",
            )
        )
    changes = sum(
        1
        for _ in reader.records(
            asked.request.first,
            asked.request.last,
            kinds=("PolicyChanged", "PolicyRestored", "RelearningBegun"),
        )
    )
    if changes:
        found.append(
            Caution(
                "policy-changes",
                f"The loop's own learning policy was changed or learned anew {_times(changes)} in the range: "
                "what Online earned is a mixture of them.",
            )
        )
    if not plan.own and asked.candidates:
        found.append(
            Caution(
                "no-training",
                "The loop learned nothing in the range, so it does not say when a candidate would have: "
                f"candidates learned every {BATCH} decisions what had its rewards by then.",
            )
        )
    return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def learned_inside(reader: Reader, asked: Asked, version: int) -> tuple[int, tuple[Caution, ...]]:
    """Return from how many decisions of the range a version has learned, and whether that is certain."""
    inside, ancestor = 0, version
    while ancestor:
        _, event = version_event(reader, ancestor)
        if isinstance(event, ModelImported):
            says = (
                f"Version {version} comes from an imported model, and what that has learned is not known: "
                "if from decisions of this range, its figures are too good."
            )
            return inside, (Caution("unknown-past", says),)
        if event.first is not None and event.last is not None:
            first, last = max(event.first, asked.request.first), min(event.last, asked.request.last)
            span = reader.span(asked.kind, first - 1, last, event.decisions) if first <= last else None
            inside += span.decisions if span else 0
        ancestor = event.parent
    return inside, ()
