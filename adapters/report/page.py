"""The page: an evaluation as one HTML file that needs no network, no script and no other file."""

from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

from loopledger.adapters.report import tables
from loopledger.adapters.report.bars import bars, known
from loopledger.adapters.report.curves import curves
from loopledger.adapters.report.headline import Headline, compared, headline
from loopledger.adapters.report.markup import Content, element, page
from loopledger.adapters.report.words import DASH, SOURCES, Figures, counted, minutes, moment, share, stretch
from loopledger.evaluation.report import Caution, Evaluation, FeatureImportance, Judged

_NOTHING_ELSE = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may load for the page: nothing, and no script runs."""

_SHOWN_FEATURES = 15


def html(evaluation: Evaluation, features: FeatureImportance | None = None) -> str:
    """Return the report of an evaluation as one HTML page.

    Args:
        evaluation: What came out.
        features: Which features matter, if that was asked too.

    """
    estimates = [judged.overall for judged in evaluation.policies if known(judged)]
    figures = Figures([estimate.interval for estimate in estimates])
    found = headline(evaluation, figures)
    title = f"Evaluation of {evaluation.loop}"
    body = element(
        "body",
        element(
            "main",
            _header(evaluation, found, title, figures),
            _policies(evaluation, figures),
            _over_time(evaluation, figures),
            _slots(evaluation, figures),
            _features(features, figures),
            _cautions(evaluation),
            _reading(evaluation),
            _asked(evaluation),
        ),
    )
    return page(element("html", _head(title), body, lang="en"))


def _head(title: str) -> Element:
    style = files("loopledger.adapters.report").joinpath("style.css").read_text("utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_NOTHING_ELSE),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )


def _header(evaluation: Evaluation, found: Headline, title: str, figures: Figures) -> Element:
    where = f"{title}: {counted(evaluation.decisions, 'decision')} {stretch(evaluation)}"
    now = compared(evaluation, figures)
    return element(
        "header",
        element("p", where, class_="quiet"),
        _first(evaluation.cautions),
        element("h1", found.says),
        [element("p", said, class_="lead") for said in found.more],
        None if now is None else element("p", now, class_="lead"),
        _but(found.about),
    )


def _first(cautions: Sequence[Caution]) -> Element | None:
    """Return what casts doubt on the whole; it stands before everything else."""
    if not cautions:
        return None
    return element(
        "section",
        element("h2", "Before you trust these figures"),
        element("ul", [element("li", caution.says) for caution in cautions]),
        class_="warning",
    )


def _but(about: Judged | None) -> Element | None:
    if about is None or not about.cautions:
        return None
    return element(
        "section",
        element("h2", "But be careful with ", element("bdi", about.name)),
        element("ul", [element("li", caution.says) for caution in about.cautions]),
        class_="warning",
    )


def _section(title: str, *content: Content, says: str = "") -> Element:
    lead = element("p", says, class_="quiet") if says else None
    return element("section", element("h2", title), lead, *content)


def _policies(evaluation: Evaluation, figures: Figures) -> Element | None:
    if not any(known(judged) or judged.failed for judged in evaluation.policies):
        return None
    return _section(
        "Average reward of each policy",
        bars(evaluation.policies, figures),
        tables.policies(evaluation, figures),
        element(
            "details",
            element("summary", "For those who estimate for a living"),
            tables.estimators(evaluation, figures),
        ),
        says=(
            "The mark is the estimate, the bar its 95 % interval, the thin line what holds however often "
            "one looks. The dashed line is what runs now: where a bar keeps clear of it, the difference is "
            "hardly chance."
        ),
    )


def _over_time(evaluation: Evaluation, figures: Figures) -> Element | None:
    drawn = curves(evaluation, figures)
    if not drawn:
        if not any(known(judged) for judged in evaluation.policies):
            return None
        return _section("Over time", element("p", "There is too little data for curves over time."))
    return _section(
        "Over time",
        element("div", drawn, class_="panels"),
        says=(
            "The average reward of all decisions up to each moment, with its 95 % interval; what runs now "
            "is the dashed grey curve. Curves that have settled are more to be trusted than those that climb."
        ),
    )


def _slots(evaluation: Evaluation, figures: Figures) -> Element | None:
    made = tables.slots(evaluation, figures)
    return None if made is None else _section("Slot by slot", made)


def _features(importance: FeatureImportance | None, figures: Figures) -> Element | None:
    if importance is None:
        return None
    how = {
        "leave-one-out": "Everything was learned again without each of them; what was lost is its score.",
        "approximate": "Read off the model: how far each of them moves actions apart.",
    }[importance.method]
    top = importance.features[:_SHOWN_FEATURES]
    rows = [
        element(
            "div",
            element("bdi", tables.named(score), class_="who"),
            element(
                "svg",
                element("title", f"{tables.named(score)}: {score.score:.0f} of 100"),
                element("rect", x=0, y=4, width=f"{max(0.3, min(100.0, score.score)):g}%", height=12, rx=2),
                width="100%",
                height=20,
                role="img",
                aria_label=f"{score.score:.0f} of 100",
            ),
            element(
                "div",
                element("strong", f"{score.score:.0f}"),
                element("span", score.remark or f"present in {share(score.present)}", class_="quiet"),
                class_="figure",
            ),
            class_="row feature",
        )
        for score in top
    ]
    left = len(importance.features) - len(top)
    return _section(
        "What the model goes by",
        element("div", rows, class_="bars"),
        element("p", f"And {counted(left, 'feature')} more in the table.", class_="quiet")
        if left > 0
        else None,
        element("ul", [element("li", caution.says) for caution in importance.cautions])
        if importance.cautions
        else None,
        element(
            "details",
            element("summary", "All features as a table"),
            tables.features(importance, importance.namespaces, figures, "Namespace"),
            tables.features(importance, importance.features, figures, "Feature"),
        ),
        says=f"From {counted(importance.decisions, 'decision')}; 100 for the one that matters most. {how}",
    )


def _cautions(evaluation: Evaluation) -> Element | None:
    said = [(judged, _about(judged)) for judged in evaluation.policies]
    terms: list[Content] = [
        [element("dt", element("bdi", judged.name)), [element("dd", one) for one in about]]
        for judged, about in said
        if about
    ]
    return _section("Policy by policy", element("dl", terms)) if terms else None


def _about(judged: Judged) -> list[str]:
    """Return what there is to say about a policy: its verdict, and what to beware of."""
    if judged.failed:
        return [f"It could not be judged: {judged.failed}", *(one.says for one in judged.cautions)]
    told = judged.verdict is not None and judged.verdict.judgement != "itself" and known(judged)
    verdict = [judged.verdict.says] if told and judged.verdict else []
    return [*verdict, *(one.says for one in judged.cautions)]


def _reading(evaluation: Evaluation) -> Element:
    low, high = evaluation.reward_range
    return _section(
        "How to read this",
        element(
            "ul",
            element(
                "li",
                "No policy but the first really decided. From every decision it is known with what "
                "probability each action could have been taken, so what another policy would have earned is "
                "estimated by giving more weight to what it would have done more often.",
            ),
            element(
                "li",
                "Each learning policy learned as it went: at each decision it answered before it was told "
                "what came of it.",
            ),
            element(
                "li",
                "An interval of 95 % holds the truth 19 times out of 20, if one looks once. Who looks again "
                "and again until it suits should go by the wider one, ",
                element("em", "however often one looks"),
                ".",
            ),
            element(
                "li",
                element("em", "Worth so many decisions"),
                ": weighted decisions say less than a policy's own. Where few are left of many, the policy "
                "does other things than were done, and the log says little of it.",
            ),
            element(
                "li",
                f"Rewards are averages per decision; intervals allow for rewards from {low:g} to {high:g}.",
            ),
        ),
    )


def _asked(evaluation: Evaluation) -> Element:
    left_out = [
        f"{counted(count, 'decision')}: {reason}" for reason, count in evaluation.left_out.items() if count
    ]
    facts: list[tuple[str, Content]] = [
        ("Loop", element("bdi", evaluation.loop)),
        ("Range", f"{moment(evaluation.since)} to {moment(evaluation.until)}"),
        ("Events of the log", f"{evaluation.first:,} to {evaluation.last:,}"),
        ("Decisions judged", f"{evaluation.decisions:,}"),
        ("Left out", element("ul", [element("li", said) for said in left_out]) if left_out else "none"),
        ("Rewards", f"{evaluation.reward_range[0]:g} to {evaluation.reward_range[1]:g}"),
        ("Smallest probability", f"{evaluation.minimum_probability:g}"),
        ("Counted in stretches of", minutes(evaluation.minute_width)),
    ]
    rows = [
        (
            element("bdi", judged.name),
            SOURCES[judged.source] + (f", version {judged.version}" if judged.version is not None else ""),
            element("code", judged.arguments) if judged.arguments else DASH,
        )
        for judged in evaluation.policies
    ]
    return _section(
        "What was asked",
        element("dl", [[element("dt", name), element("dd", value)] for name, value in facts], class_="facts"),
        tables.table("Policies and their arguments", ("Policy", "What it is", "Arguments"), rows),
    )
