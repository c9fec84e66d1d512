"""The HTML report: everything in it, nothing executable, nothing from elsewhere, doubts first."""

import random  # noqa: TID251 - the same on every run
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from reported import (
    DOUBT,
    FAILED,
    MINUTE,
    SMALL,
    START,
    better,
    evaluation,
    importance,
    judged,
    three,
    unsure,
    verdict,
)

from loopledger.adapters.report.curve import expanding
from loopledger.adapters.report.headline import compared, headline
from loopledger.adapters.report.page import html
from loopledger.adapters.report.scale import Scale, scale_of
from loopledger.adapters.report.words import Figures, ends, minutes, share
from loopledger.evaluation.report import Point, Sums

NASTY = "<script>alert(1)</script><img src=x onerror='alert(2)'>&\"'"
VOID = {"meta", "br"}


class Read(HTMLParser):
    """A page as a browser would take it apart."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.attributes, self.texts = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def everything(**more):
    policies = (*three(slots=("top", "foot")), better(cautions=(SMALL,)), unsure(), FAILED)
    return evaluation(*policies, cautions=(DOUBT,), **more)


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing():
    page = html(everything(), importance())
    read = Read(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(read.tags)
    assert not [one for one in read.attributes if one[1].startswith("on") or one[1] in {"src", "href"}]
    assert "url(" not in page
    assert "@import" not in page
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


@given(st.text(max_size=40))
def test_no_name_becomes_markup(name):
    plain = Read(html(evaluation(*three(hours=2), better(hours=2))))
    policies = (*three(hours=2), replace(better(hours=2), name=name))
    read = Read(html(evaluation(*policies, loop=name)))
    assert read.tags == plain.tags


def test_names_that_look_like_markup_are_shown_as_they_are():
    nasty = judged(NASTY, "Custom", 0.4, arguments=NASTY, failed=NASTY, hours=0)
    page = html(evaluation(*three(slots=(NASTY,)), nasty, loop=NASTY, left_out={NASTY: 2}), importance())
    assert "<script" not in page
    assert "<img" not in page
    assert Read(page).texts.count(NASTY) >= 4


def test_what_no_file_can_hold_is_replaced():
    page = html(evaluation(*three(hours=2), loop="half \ud800 and \x00"))
    page.encode()
    assert "half ? and \N{REPLACEMENT CHARACTER}" in page


def test_doubts_about_the_whole_stand_before_the_answer_and_those_about_the_winner_right_after_it():
    text = Read(html(everything())).text
    answer = text.index("regcb would have earned more")
    assert (
        text.index(DOUBT.says) < answer < text.index(SMALL.says) < text.index("Average reward of each policy")
    )


def test_every_policy_has_its_figures_its_interval_its_verdict_and_its_arguments():
    asked = everything()
    figures = Figures([one.overall.interval for one in asked.policies if not one.failed])
    text = Read(html(asked)).text
    for one in asked.policies:
        assert one.name in text
        assert one.arguments in text
        if not one.failed:
            assert figures.reward(one.overall.average_reward) in text
            assert figures.span(one.overall.interval) in text
            assert figures.span(one.overall.anytime) in text
    assert FAILED.failed in text
    assert "12 decisions: open windows" in text
    assert "erased" not in text


def test_every_picture_says_what_it_shows_and_has_its_table():
    read = Read(html(everything(), importance()))
    pictures = [one for one in read.attributes if one[:2] == ("svg", "role")]
    assert len(pictures) == read.tags.count("title") - 1
    assert len(pictures) == len(
        [one for one in read.attributes if one[0] == "svg" and one[1] == "aria-label"]
    )
    assert read.tags.count("table") == read.tags.count("caption") == 6


def test_the_same_evaluation_is_the_same_page():
    assert html(everything(), importance()) == html(everything(), importance())


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        ((*three(), better()), "regcb would have earned more: +34\N{NO-BREAK SPACE}%."),
        ((*three(), better(), unsure()), "regcb would have earned more: +34\N{NO-BREAK SPACE}%."),
        ((*three(), unsure()), "There is not enough data to tell yet."),
        (three(), "Keep what runs now."),
        (
            (three()[0], judged("x", "Custom", 0.4, verdict=verdict("no answer", 0, 1))),
            "The log does not say.",
        ),
        ((three()[0], FAILED), "The log does not say."),
        (three(hours=0), "There was nothing to judge."),
        ((), "There was nothing to judge."),
    ],
)
def test_the_headline_is_what_came_out(policies, says):
    asked = evaluation(*policies)
    assert headline(asked, Figures([])).says == says
    assert " ".join(says.split()) in Read(html(asked)).text


def test_what_the_log_does_not_tell_is_not_called_worse():
    silent = judged("silent", "Custom", 0.4, verdict=verdict("no answer", 0, 1))
    assert headline(evaluation(*three()), Figures([])).more == ("Every other policy would have earned less.",)
    assert "Of silent the log says too little" in headline(evaluation(*three(), silent), Figures([])).more[0]


def test_of_several_better_ones_the_surest_is_in_the_headline():
    lucky = judged("lucky", "Custom", 0.5, verdict=verdict("better", 0.3, 0.29))
    found = headline(evaluation(*three(), lucky, better()), Figures([]))
    assert found.about.name == "regcb"
    assert "lucky" in found.more[-1]


def test_curves_end_at_the_average_of_everything_and_hold_it_in_their_interval():
    (online, *_) = asked = three()
    (readings,) = expanding(online, evaluation(*asked))
    assert readings[-1].average == pytest.approx(online.overall.sums.reward / online.overall.sums.cases)
    low, high = readings[-1].interval
    assert low < readings[-1].average < high
    assert readings[-1].at == evaluation(*asked).until
    assert readings[0].at > START


def test_curves_over_rare_rewards_hold_the_truth_as_often_as_they_say():
    # One reward in a hundred, weights from 0 to 4: an interval from a bell curve misses far more often.
    rounds, missed = 150, 0
    for number in range(rounds):
        draw = random.Random(number)
        rare = judged(
            "rare",
            "Custom",
            0.01,
            hours=1,
            cases=1_000,
            weights=(0.0, 0.5, 1.0, 4.0),
            rates=[0.01],
            draw=draw,
        )
        ((reading,),) = expanding(rare, evaluation(rare))
        low, high = reading.interval
        missed += not low <= 0.01 <= high
    assert missed / rounds <= 0.08


def test_a_baseline_without_an_answer_is_not_compared_with():
    online, baseline, random_ = three()
    assert "caller's own choice would" in compared(evaluation(online, baseline, random_), Figures([]))
    unknown = replace(baseline, verdict=verdict("no answer", 0, 1))
    assert "caller's own choice would" not in compared(evaluation(online, unknown, random_), Figures([]))


def test_the_ends_of_a_day_are_hours():
    assert ends(START, START + 3 * 3_600_000_000) == ("1 Jan 2026, 00:00", "03:00 UTC")
    assert ends(START, START + 86_400_000_000) == ("1 Jan 2026", "2 Jan 2026")


def test_curves_begin_only_where_there_is_enough_to_say():
    scarce = judged("scarce", "Custom", 0.4, weights=(0.0,) * 20 + (21.0,))
    (readings,) = expanding(scarce, evaluation(*three()))
    assert len(readings) < len(scarce.over_time)
    assert not expanding(judged("none", "Custom", 0.4, weights=(0.0,)), evaluation(*three()))


def test_where_too_little_is_known_curves_have_a_gap():
    known, heavy = Sums(200, weight=200.0, weight_squares=200.0), Sums(1, weight=80.0, weight_squares=6400.0)
    points = [Point(START + at * MINUTE, one) for at, one in enumerate((known, heavy, *[known] * 6))]
    (before, after) = expanding(replace(better(hours=1), over_time=tuple(points)), evaluation(*three()))
    assert (len(before), len(after)) == (1, 4)
    page = html(evaluation(three()[0], replace(better(hours=1), over_time=tuple(points))))
    assert page.count('class="line better"') == 2


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.floats(-2e6, 2e6))
def test_a_scale_keeps_order_and_its_ticks_lie_within(low, width, value):
    scale = Scale(low, low + width)
    assert 0 <= scale.place(value) <= 100
    assert scale.place(scale.low) == 0
    assert scale.place(scale.high) == 100
    ticks = scale.ticks()
    assert ticks == sorted(ticks)
    assert all(scale.low - 1e-6 * width <= tick <= scale.high + 1e-6 * width for tick in ticks)


def test_one_very_wide_interval_does_not_press_the_others_together():
    known = [(0.0042 + at / 10_000, (0.004 + at / 10_000, 0.0044 + at / 10_000)) for at in range(4)]
    scale = scale_of([*known, (0.0046, (0.0, 1.0))])
    assert scale.high < 0.01
    assert scale.beyond(1.0)


def test_figures_have_the_decimals_that_their_intervals_tell_apart():
    assert Figures([(0.2, 0.4)]).reward(0.31234) == "0.31"
    assert Figures([(0.0042, 0.0044), (0.0, 1.0)]).reward(0.00431) == "0.00431"
    assert Figures([]).reward(None) == "\N{EN DASH}"
    assert Figures([]).reward(float("nan")) == "\N{EN DASH}"
    assert (share(0.004), share(0.5), share(0)) == (
        "0.4\N{NO-BREAK SPACE}%",
        "50\N{NO-BREAK SPACE}%",
        "0\N{NO-BREAK SPACE}%",
    )
    assert (minutes(5), minutes(60), minutes(1440)) == ("5 minutes", "1 hour", "1 day")
