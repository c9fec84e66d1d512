"""Readiness: whether a loop in Apprentice mode can go Online without losing what its caller earns."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from loopledger.evaluation.stretch import Stretch

LEAST = 0.6
"""Personalizer's documentation: go Online once the model matches the caller in 60 to 80 % of cases."""

OF_PLATEAU = 0.9
"""How much of what exploration leaves must be reached: the rest is hardly worth waiting for."""

ENOUGH = 1_000
"""Cases by which it is judged: Personalizer's batch."""


class Readiness(msgspec.Struct, frozen=True):
    """Whether it is safe to go Online.

    Attributes:
        judgement: ``ready``, ``not yet`` or ``not enough data``.
        says: The answer in a sentence.
        reasons: Why, each with its figures.

    """

    judgement: Literal["ready", "not yet", "not enough data"]
    says: str
    reasons: tuple[str, ...]


def readiness(
    recent: Stretch, wanted: int, batches: Sequence[Stretch], slots: Sequence[tuple[str, Stretch]]
) -> Readiness:
    """Return whether it is safe to go Online, and why.

    It is where even the lower end of the match rate reaches 60 % and nine tenths of its plateau,
    no slot is clearly below that, rewards are not clearly lost more often than choices, and the
    match rate is not falling.

    Args:
        recent: The last cases.
        wanted: How many they should be.
        batches: All of them, a thousand each.
        slots: The last cases of each slot, if there are any.

    """
    goal = max(LEAST, OF_PLATEAU * recent.plateau)
    reasons = [_match(recent), _ratio(recent)]
    against = list(_against(recent, goal, batches, slots))
    missing = _missing(recent, goal, wanted)
    if against:
        says = (
            "Not yet. Stay in Apprentice mode: going Online now would cost rewards until it has learned more."
        )
        return Readiness("not yet", says, (*reasons, *against, *missing))
    if missing:
        says = "There is not enough data to tell. Stay in Apprentice mode until there is."
        return Readiness("not enough data", says, (*reasons, *missing))
    says = (
        "Yes. The model does what the caller does about as often as its exploration lets it, and learns "
        "to do better only Online."
    )
    return Readiness("ready", says, tuple(reasons))


def _match(recent: Stretch) -> str:
    low, high = recent.match_interval
    return (
        f"Of the last {recent.number_of_events:,} cases the model chose as the caller did in "
        f"{recent.match_rate:.1%} ({low:.1%} to {high:.1%}); more than {recent.plateau:.1%} cannot be "
        "expected, because it explores."
    )


def _ratio(recent: Stretch) -> str:
    if recent.achievement_ratio is None:
        return "No reward came for them that could be compared, so only the match rate is judged."
    if recent.achievement_interval is None:
        return (
            f"It would have kept {recent.achievement_ratio:.1%} of the rewards; some are negative, so that "
            "ratio says little and only the match rate is judged."
        )
    low, high = recent.achievement_interval
    return f"It would have kept {recent.achievement_ratio:.1%} of the rewards ({low:.1%} to {high:.1%})."


def _against(
    recent: Stretch, goal: float, batches: Sequence[Stretch], slots: Sequence[tuple[str, Stretch]]
) -> list[str]:
    found: list[str] = []
    if recent.plateau < LEAST:
        found.append(
            f"Exploration leaves no more than {recent.plateau:.1%}, below the {LEAST:.0%} that are needed: "
            "let it learn, and if that does not help lower the exploration."
        )
    elif recent.match_interval[1] < goal or (
        recent.match_interval[0] < goal and recent.number_of_events >= ENOUGH
    ):
        found.append(f"The match rate should be {goal:.1%} at least, also at the lower end of its interval.")
    for slot, stretch in slots:
        least = max(LEAST, OF_PLATEAU * stretch.plateau)
        if stretch.match_interval[1] < least:
            found.append(f"Slot {slot} matches in {stretch.match_rate:.1%} only; {least:.1%} is needed.")
    if recent.achievement_interval is not None and recent.achievement_interval[1] < goal:
        found.append(
            "It misses just those decisions that earn: it keeps less of the rewards than of the choices."
        )
    whole = [batch for batch in batches if batch.number_of_events >= ENOUGH]
    if len(whole) > 1 and whole[-1].match_interval[1] < whole[-2].match_interval[0]:
        found.append(
            f"The match rate is falling: {whole[-2].match_rate:.1%} in the batch before the last, "
            f"{whole[-1].match_rate:.1%} in the last. Something has changed that it has yet to learn."
        )
    return found


def _missing(recent: Stretch, goal: float, wanted: int) -> list[str]:
    if recent.number_of_events < wanted:
        return [f"{recent.number_of_events:,} cases are counted; {wanted:,} are needed."]
    if recent.match_interval[0] < goal:
        return [f"More cases would tell whether the match rate reaches {goal:.1%}: look at more (`recent`)."]
    interval = recent.achievement_interval
    if interval is not None and interval[0] < LEAST:
        few = f"So few rewards came that it may be keeping less than {LEAST:.0%} of them"
        return [f"{few}: look at more decisions (`recent`)."]
    return []
