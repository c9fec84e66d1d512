"""All of it: the machine, the data folder, and each loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from loopledger.adapters.doctor import examine, machine, measure
from loopledger.adapters.doctor import loop as judge
from loopledger.health import Diagnosis, Finding

_NONE: Mapping[str, str] = MappingProxyType({})


def diagnose(
    folder: Path | None, names: Sequence[str], now: int, failures: Mapping[str, str] = _NONE
) -> Diagnosis:
    """Return what is wrong, or might go wrong, with a machine and loops; nothing is changed.

    Args:
        folder: The data folder; none for loops in memory.
        names: The loops to look at.
        now: The time, UTC in microseconds since 1970.
        failures: Why the last automatic training failed, by loops, where that is known.

    """
    findings: list[Finding] = [*measure.installation(), *measure.left_in_temporary_folder()]
    if folder is None:
        findings.append(Finding("note", machine.FOLDER, "loops are in memory: gone with the program"))
        return Diagnosis(tuple(findings))
    findings += measure.data_folder(folder)
    findings += judge.leftovers(machine.FOLDER, examine.left_behind(folder, now))
    for name in names:
        findings += examine.examine(folder / name, now, failures.get(name))
        findings += judge.leftovers(f"loop {name}", examine.left_behind(folder / name, now))
    return Diagnosis(tuple(findings))
