import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SHARED, context_of

from loopledger.adapters.vw.scorer import VwScorer
from loopledger.deciding.draw import RESOLUTION, float32s, sample
from loopledger.deciding.request import Slot, read_slots
from loopledger.deciding.slots import _answer, likely_at_slot, rank_all_slots
from loopledger.errors import LearnerFailed
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits

IDS = ("a", "b", "c", "d", "e")
ACTIONS = {name: {"x": at} for at, name in enumerate(IDS)}
THREE = [Slot("s", {"size": 1}), Slot("t", {"size": 2}, excluded=["a"]), Slot("u", {"size": 3}, baseline="e")]


def terms(slots):
    return [term for _, term in read_slots(slots, IDS, Limits())]


def rank(scorer, slots, event_id="event", minimum=0.0, mode="Online"):
    context = context_of({"w": "sunny"}, ACTIONS, slots=slots)
    return rank_all_slots(
        scorer, context, terms(slots), event_id=event_id, minimum_probability=minimum, mode=mode
    )


class Uneven:
    """Gives the first offered action nearly everything, and draws as it likes: always the last."""

    def __init__(self):
        self.asked = 0

    def score_slots(self, context):
        self.asked += 1
        taken, answers = set(), []
        for slot in json.loads(context)["_slots"]:
            offered = [at for at in slot.get("_inc", range(len(IDS))) if at not in taken]
            probabilities = float32s(
                [1.0] if len(offered) == 1 else [0.9] + [0.1 / (len(offered) - 1)] * (len(offered) - 1)
            )
            answer = list(zip(offered, probabilities, strict=True))[::-1]
            taken.add(answer[0][0])
            answers.append(answer)
        return answers


def test_no_action_twice_and_none_that_is_excluded():
    for number in range(200):
        for scorer in (None, Uneven()):
            rankings = rank(scorer, THREE, f"event-{number}", minimum=0.01)
            chosen = [ranking.ranked[0] for ranking in rankings]
            assert len(set(chosen)) == 3
            assert chosen[1] != 0
            assert [len(ranking.ranked) for ranking in rankings] == [5, 4 - (chosen[0] != 0), 3]


def test_slots_that_the_learner_drew_otherwise_are_asked_again():
    scorer = Uneven()
    rankings = rank(scorer, THREE)
    assert scorer.asked == 3
    for ranking in rankings:
        assert sum(ranking.probabilities) == pytest.approx(1.0, abs=1e-5)


def test_logging_only_keeps_the_baselines():
    rankings = rank(Uneven(), THREE, mode="LoggingOnly")
    assert [ranking.ranked[0] for ranking in rankings] == [0, 1, 4]


def test_an_apprentice_draws_as_online_does():
    for number in range(20):
        for scorer in (None, Uneven()):
            online = rank(scorer, THREE, f"event-{number}", minimum=0.01)
            assert rank(scorer, THREE, f"event-{number}", minimum=0.01, mode="Apprentice") == online


@pytest.mark.parametrize("answer", [[], [[(0, 1.0)]], [[(0, 0.5), (1, 0.5)]] * 3])
def test_answers_for_other_slots_or_actions_are_an_error(answer):
    class Wrong:
        def score_slots(self, context):
            return answer

    with pytest.raises(LearnerFailed):
        rank(Wrong(), THREE)


class Answers:
    def __init__(self, answers):
        self.answers = answers

    def score_slots(self, context):
        return self.answers


def test_slots_are_answered_for_one_each():
    usual = Uneven().score_slots(context_of({}, ACTIONS, slots=THREE))
    for answers in (usual[:2], [*usual, usual[2]], [*usual, *usual]):
        with pytest.raises(LearnerFailed, match=f"answered for {len(answers)} slots where there are 3"):
            rank(Answers(answers), THREE)


@pytest.mark.parametrize(
    "positions", [(0, 1, 2, 3), (0, 1, 2, 3, 5), (1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 4), (0, 0, 1, 2, 3)]
)
def test_a_slot_is_answered_for_the_actions_that_it_was_offered(positions):
    answer = [(position, 1 / len(positions)) for position in positions]
    with pytest.raises(LearnerFailed, match="other actions"):
        rank(Answers([answer]), [Slot("s")])


def test_one_slot_alone_is_answered_in_the_order_that_was_asked_for():
    first, second = [(1, 1.0)], [(2, 0.25), (4, 0.625), (0, 0.125)]
    asked = likely_at_slot(Answers([first, second]), b"", 1, [0, 2, 4], 0.0)
    assert asked == [0.125, 0.25, 0.625]
    assert likely_at_slot(Answers([second]), b"", 0, [4, 0, 2], 0.0) == [0.625, 0.125, 0.25]
    assert likely_at_slot(Answers([second]), b"", 0, [0, 2, 4], 0.25) == float32s([0.28125, 0.3125, 0.40625])
    assert likely_at_slot(None, b"", 1, [0, 2, 4], 0.0) == float32s([1 / 3] * 3)
    for answers, place in [([first], 1), ([first, second, second], 1), ([], 0), ([second, second], 0)]:
        message = f"answered for {len(answers)} slots where there are {place + 1}"
        with pytest.raises(LearnerFailed, match=message):
            likely_at_slot(Answers(answers), b"", place, [0, 2, 4], 0.0)
    for left in ([0, 2], [0, 2, 4, 5], [0, 2, 3], [0, 2, 5], []):
        with pytest.raises(LearnerFailed, match="other actions"):
            likely_at_slot(Answers([first, second]), b"", 1, left, 0.0)


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=8),
    st.permutations(range(8)),
    st.integers(0, 2**23 - 1).map(lambda step: step * RESOLUTION),
)
def test_the_draw_of_the_learner_is_undone(weights, positions, number):
    """Whatever it ranked among those that are as probable, and wherever it drew."""
    probabilities = sorted(float32s([weight / sum(weights) for weight in weights]), reverse=True)
    ranked = list(zip(positions, probabilities, strict=False))
    place, _ = sample(probabilities, number)
    answer = ranked.copy()
    answer[0], answer[place] = answer[place], answer[0]
    slots = [Slot("s", excluded=[name for at, name in enumerate("abcdefgh") if at not in dict(ranked)])]
    terms = [term for _, term in read_slots(slots, tuple("abcdefgh"), Limits())]
    undone, before = _answer(answer, terms[0].offered, number, 0.0)
    assert list(zip(undone, before, strict=True)) == ranked


def test_a_ranking_that_no_swap_explains_is_made_anew():
    shuffled = [(3, 0.125), (0, 0.5), (2, 0.25), (1, 0.125)]
    assert _answer(shuffled, [0, 1, 2, 3], 0.0, 0.0) == ([0, 2, 1, 3], [0.5, 0.25, 0.125, 0.125])


def test_cooked_logs_of_microsofts_client_before_there_was_a_model():
    path = SHARED / "samples" / "ccb_cooked_log.dsjson"
    if not path.exists():
        pytest.skip("the sample logs are not here")
    slots_seen = 0
    for line in path.read_text().splitlines():
        cooked = json.loads(line)
        ids = [action["_tag"] for action in cooked["c"]["_multi"]]
        slots = [Slot(slot["_id"]) for slot in cooked["c"]["_slots"]]
        rankings = rank_all_slots(
            None,
            b"",
            [term for _, term in read_slots(slots, ids, Limits())],
            event_id=cooked["EventId"],
            minimum_probability=0.0,
            mode="Online",
        )
        for ranking, outcome in zip(rankings, cooked["_outcomes"], strict=True):
            assert list(ranking.ranked) == outcome["_a"]
            assert ranking.probabilities == pytest.approx(outcome["_p"], abs=1e-7)
            slots_seen += 1
    assert slots_seen == 17


@pytest.fixture(
    scope="module", params=["--epsilon 0.3", "--softmax --lambda 3", "--squarecb --gamma_scale 5"]
)
def scorer(request, vw):
    policy = LearningPolicy("p", f"--ccb_explore_adf {request.param} -q :: --cb_type mtr")
    lines = []
    for number in range(60):
        context = json.loads(context_of({"w": number % 3}, ACTIONS, slots=THREE))
        outcomes = [
            {
                "_label_cost": -float((number + at) % 2),
                "_id": slot.id,
                "_a": [(number + at) % 4 + 1],
                "_p": [0.25],
            }
            for at, slot in enumerate(THREE)
        ]
        outcomes[1]["_a"], outcomes[2]["_a"] = [(number + 1) % 4 + 1], [(number + 2) % 4 + 1]
        lines.append(json.dumps({"c": context, "_outcomes": outcomes}).encode() + b"\n")
    made = VwScorer(policy, vw.fold(policy, None, lines).model)
    yield made
    made.close()


class Counting:
    def __init__(self, scorer):
        self.scorer = scorer
        self.drawn = []

    def score_slots(self, context):
        answer = self.scorer.score_slots(context)
        self.drawn.append([slot[0][0] for slot in answer])
        return answer


def test_our_draws_are_vowpalwabbits_own(scorer):
    for number in range(150):
        counting = Counting(scorer)
        rankings = rank(counting, THREE, f"event-{number}")
        assert counting.drawn == [[ranking.ranked[0] for ranking in rankings]]


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.02, 0.05]), st.sampled_from(["Online", "LoggingOnly"]))
def test_asking_again_gives_the_same(scorer, number, minimum, mode):
    first = rank(scorer, THREE, f"event-{number}", minimum, mode)
    assert rank(scorer, THREE, f"event-{number}", minimum, mode) == first
    for ranking in first:
        assert min(ranking.probabilities) >= minimum * 0.999
