import pytest
from evaluated import MINUTE, answers, log

from loopledger.errors import InvalidRequest
from loopledger.evaluation.merging import merged
from loopledger.evaluation.tally import Tally
from loopledger.evaluation.windows import WIDTHS, together, windows


@pytest.fixture(scope="module")
def tally():
    cases = log(30_000)
    tally = Tally(minimum_probability=0.04)
    tally.add(cases, answers(cases))
    return tally


@pytest.mark.parametrize("minutes", WIDTHS)
def test_wider_stretches_hold_the_same(tally, minutes):
    points = together(tally.points(), minutes)
    assert all(point.at % (minutes * MINUTE) == 0 for point in points)
    assert merged(point.sums for point in points).cases == 30_000
    rolling = windows(tally.points(), tally.declared, minutes=minutes, kind="rolling")
    assert [window.sums for window in rolling] == [point.sums for point in points]


@pytest.mark.parametrize("minutes", WIDTHS)
def test_the_last_of_expanding_windows_is_the_whole(tally, minutes):
    expanding = windows(tally.points(), tally.declared, minutes=minutes)
    estimate = tally.estimate()
    assert expanding[-1].average_reward == pytest.approx(estimate.average_reward)
    assert expanding[-1].interval == pytest.approx(estimate.interval)
    cases = [window.sums.cases for window in expanding]
    assert cases == sorted(cases)


def test_only_the_widths_and_kinds_there_are(tally):
    with pytest.raises(InvalidRequest, match="minutes: must be one of 5, 60"):
        windows(tally.points(), tally.declared, minutes=7)
    with pytest.raises(InvalidRequest, match="kind: must be expanding or rolling"):
        windows(tally.points(), tally.declared, kind="sliding")
