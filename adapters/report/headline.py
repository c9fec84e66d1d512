"""The answer in a sentence, for whoever reads nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

from loopledger.adapters.report.bars import known
from loopledger.adapters.report.words import PERCENT, Figures, against, counted, share
from loopledger.evaluation.report import Evaluation, Judged, Judgement


class Headline(NamedTuple):
    """What came out.

    Attributes:
        says: In one sentence.
        more: In a few more.
        about: The policy that it is about, if it is about one.

    """

    says: str
    more: tuple[str, ...]
    about: Judged | None = None


def headline(evaluation: Evaluation, figures: Figures) -> Headline:
    """Return what came out of an evaluation."""
    judged = [one for one in evaluation.policies[1:] if known(one) and one.verdict]
    if not evaluation.decisions or not evaluation.policies or not known(evaluation.policies[0]):
        return Headline("There was nothing to judge.", ("No decision in this range could be counted.",))
    online = evaluation.policies[0]
    better = sorted(_those(judged, "better"), key=_sureness, reverse=True)
    if better:
        return _better(better, online, figures)
    open_ = _those(judged, "not enough data")
    if open_:
        return _open(open_)
    if _those(judged, "worse"):
        silent = ", ".join(one.name for one in _those(judged, "no answer"))
        why = f"Of {silent} the log says too little; all others" if silent else "Every other policy"
        return Headline("Keep what runs now.", (f"{why} would have earned less.",))
    return Headline(
        "The log does not say.",
        ("None of these policies can be compared with what runs now; the reasons stand below.",),
    )


def compared(evaluation: Evaluation, figures: Figures) -> str | None:
    """Return how what runs now compares with the caller's own choice, as Personalizer put it."""
    if not evaluation.policies or not known(evaluation.policies[0]):
        return None
    online = evaluation.policies[0].overall.average_reward
    text = f"What runs now earned {figures.reward(online)} on average"
    own = next((one for one in evaluation.policies if one.source == "Baseline" and _told(one)), None)
    if own is not None and own.overall.average_reward > 0:
        ratio = share(online / own.overall.average_reward)
        theirs = figures.reward(own.overall.average_reward)
        text += f", {ratio} of what the caller's own choice would have earned ({theirs})"
    return text + "."


def _better(better: Sequence[Judged], online: Judged, figures: Figures) -> Headline:
    best = better[0]
    verdict = best.verdict
    if verdict is None:
        raise AssertionError
    more = against(best, online) or figures.signed(verdict.difference)
    rest = [one.name for one in better[1:]]
    also = (f"Better than what runs now as well: {', '.join(rest)}.",) if rest else ()
    base = online.overall.average_reward
    low, high = verdict.interval
    sure: tuple[str, ...] = ()
    if base > 0:
        gain = f"{share(low / base)} and {share(high / base)}"
        sure = (f"Between {gain} more than what runs now, with 95{PERCENT} confidence.",)
    return Headline(f"{best.name} would have earned more: {more}.", (*sure, verdict.says, *also), best)


def _open(policies: Sequence[Judged]) -> Headline:
    needed = [one.verdict.cases_needed for one in policies if one.verdict and one.verdict.cases_needed]
    more = f"About {counted(min(needed), 'decision')} in all would tell. " if needed else ""
    names = ", ".join(one.name for one in policies)
    return Headline(
        "There is not enough data to tell yet.",
        (f"{more}Until then keep what runs now. Still open: {names}.",),
        policies[0] if len(policies) == 1 else None,
    )


def _told(judged: Judged) -> bool:
    """Tell whether the log says what a policy would have earned."""
    return known(judged) and judged.verdict is not None and judged.verdict.judgement != "no answer"


def _those(policies: Sequence[Judged], wanted: Judgement) -> list[Judged]:
    return [one for one in policies if one.verdict and one.verdict.judgement == wanted]


def _sureness(judged: Judged) -> float:
    return judged.verdict.interval[0] if judged.verdict else 0.0
