"""What there is to say about how an evaluation was made, before any figure is looked at."""

from loopledger.evaluation.asking import Asked
from loopledger.evaluation.material import Material
from loopledger.evaluation.report import Caution
from loopledger.evaluation.schedule import BATCH, Schedule
from loopledger.learning.replay import version_event
from loopledger.log.events import ModelImported
from loopledger.log.journal import Reader


def remarks(reader: Reader, asked: Asked, material: Material, plan: Schedule) -> list[Caution]:
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
    if len(material.modes) > 1:
        counts = ", ".join(f"{count:,} {mode}" for mode, count in sorted(material.modes.items()))
        found.append(
            Caution(
                "several-modes",
                f"The range spans learning modes ({counts}). Outside Online mode only the caller's own "
                "action was ever taken, so these decisions say nothing about other actions.",
            )
        )
    changes = sum(
        1
        for _ in reader.records(
            asked.request.first, asked.request.last, kinds=("PolicyChanged", "RelearningBegun")
        )
    )
    if changes:
        found.append(
            Caution(
                "policy-changes",
                f"The loop's own learning policy was changed or learned anew {changes} times in the range: "
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


def remarks_on_version(reader: Reader, asked: Asked, version: int) -> tuple[Caution, ...]:
    """Return whether a version has seen what it is judged by."""
    newest = version
    while version:
        _, event = version_event(reader, version)
        if isinstance(event, ModelImported):
            return (
                Caution(
                    "unknown-past",
                    f"Version {newest} comes from an imported model, which may have learned decisions "
                    "that it is judged by: its figure may be too good.",
                ),
            )
        if event.last is not None and event.last >= asked.request.first:
            return (
                Caution(
                    "own-test-data",
                    f"Version {newest} has learned decisions that it is judged by, up to event "
                    f"{event.last}: its figure is too good. Judge it by what came after.",
                ),
            )
        version = event.parent
    return ()
