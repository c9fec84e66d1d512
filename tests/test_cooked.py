import json

import msgspec
import pytest
from policies import POLICIES
from support import SHARED, ranked

from loopledger.cooked import learning_line
from loopledger.errors import LogDamaged
from loopledger.events import Activated, Ranked, Rewarded, SlotRanking, SlotsRanked, encode
from loopledger.joining import join
from loopledger.journal import Outcome, Traced
from loopledger.policy import LearningPolicy

AT = 1_000_000_000_000


def cooked_log(name):
    path = SHARED / "samples" / name
    if not path.exists():
        pytest.skip("the sample logs are not here")
    return [json.loads(line) for line in path.read_text().splitlines()]


def compact(value):
    return msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


def terms(cooked):
    context = cooked["c"]
    return {
        "context": compact(context),
        "actions": tuple(action["_tag"] for action in context["_multi"]),
        "model_version": 0,
        "learning_mode": "Online",
        "deferred": False,
        "minimum_probability": 0.0,
        "reward_wait": 600_000_000,
        "default_reward": 0.0,
        "reward_aggregation": "earliest",
    }


def outcomes(observed):
    """Return what a cooked log says was observed as our log would have it."""
    found = []
    for seq, one in enumerate(observed, start=2):
        event = Activated() if one["ActionTaken"] else Rewarded(value=one["v"], slot=one.get("Index"))
        found.append(Outcome(seq, AT + seq, event.kind, encode(event)))
    return found


def one_action(cooked):
    chosen = tuple(action - 1 for action in cooked["a"])
    return Ranked(
        **terms(cooked),
        excluded=(),
        ranked=chosen,
        probabilities=tuple(cooked["p"]),
        chosen=cooked["c"]["_multi"][chosen[0]]["_tag"],
    )


def several_slots(cooked):
    slots = tuple(
        SlotRanking(
            slot=outcome["_id"],
            baseline=baseline,
            excluded=(),
            ranked=tuple(outcome["_a"]),
            probabilities=tuple(outcome["_p"]),
            chosen=cooked["c"]["_multi"][outcome["_a"][0]]["_tag"],
        )
        for outcome, baseline in zip(cooked["_outcomes"], cooked["_ba"], strict=False)
    )
    return SlotsRanked(**terms(cooked), slots=slots)


def test_real_cooked_log_of_single_decisions():
    log = cooked_log("cb_cooked_log.dsjson")
    assert len(log) == 20
    for cooked in log:
        example = join(
            Traced(1, AT, cooked["EventId"], encode(one_action(cooked)), outcomes(cooked.get("o", [])))
        )
        (label,) = example.labels
        assert -label.reward == cooked["_label_cost"]
        assert -label.original_reward == cooked["_original_label_cost"]
        assert label.probability == pytest.approx(cooked["_label_probability"], abs=1e-8)
        assert label.position == cooked["_labelIndex"] == cooked["_label_Action"] - 1
        line = json.loads(learning_line(example))
        assert {name: line[name] for name in ("c", "_labelIndex", "_label_Action", "_label_cost")} == {
            name: cooked[name] for name in ("c", "_labelIndex", "_label_Action", "_label_cost")
        }
        assert line["a"] == cooked["a"][:1]


def test_real_cooked_log_of_slots():
    for cooked in cooked_log("ccb_cooked_log.dsjson"):
        observed = [one for outcome in cooked["_outcomes"] for one in outcome["_o"]]
        example = join(Traced(1, AT, cooked["EventId"], encode(several_slots(cooked)), outcomes(observed)))
        for label, outcome in zip(example.labels, cooked["_outcomes"], strict=True):
            assert -label.reward == pytest.approx(outcome["_label_cost"])
            assert -label.original_reward == pytest.approx(outcome["_original_label_cost"])
            assert (label.slot, label.position) == (outcome["_id"], outcome["_a"][0])
            assert label.probability == pytest.approx(outcome["_p"][0])
        line = json.loads(learning_line(example))
        assert [one["_a"] for one in line["_outcomes"]] == [one["_a"] for one in cooked["_outcomes"]]


@pytest.mark.parametrize("name", ["cb_cooked_log.dsjson", "ccb_cooked_log.dsjson"])
def test_vowpalwabbit_learns_the_same_from_our_lines_as_from_the_real_ones(vw, name):
    log = cooked_log(name)
    single = name.startswith("cb")
    arguments = "--cb_explore_adf" if single else "--ccb_explore_adf"
    policy = LearningPolicy("p", f"{arguments} --epsilon 0.2 -l 0.5 -q ::")
    ours = []
    for cooked in log:
        decision = one_action(cooked) if single else several_slots(cooked)
        observed = cooked.get("o", []) if single else [o for s in cooked["_outcomes"] for o in s["_o"]]
        ours.append(
            learning_line(join(Traced(1, AT, cooked["EventId"], encode(decision), outcomes(observed))))
        )
    theirs = [json.dumps(cooked).encode() + b"\n" for cooked in log]
    assert vw.fold(policy, None, ours) == vw.fold(policy, None, theirs)


def test_deferred_and_not_activated_is_no_line_and_vowpalwabbit_skips_it_too(vw):
    example = join(
        Traced(1, AT, "e", encode(ranked(deferred=True)), outcomes([{"v": 1.0, "ActionTaken": False}]))
    )
    assert learning_line(example) is None
    activated = outcomes([{"v": 1.0, "ActionTaken": False}, {"ActionTaken": True}])
    line = learning_line(join(Traced(1, AT, "e", encode(ranked(deferred=True)), activated)))
    assert json.loads(line)["_label_cost"] == -1.0
    policy = LearningPolicy("p", "--cb_explore_adf -q ::")
    skipped = line[:-2] + b',"_skipLearn":true}\n'
    with pytest.raises(Exception, match="learned 1 of 2"):
        vw.fold(policy, None, [line, skipped])


def test_every_number_survives():
    decision = ranked(probabilities=(0.8499999642372131, 0.10000000149011612, 0.05000000074505806))
    example = join(Traced(1, AT, "e", encode(decision), outcomes([{"v": 1 / 3, "ActionTaken": False}])))
    line = json.loads(learning_line(example))
    assert line["_label_cost"] == -1 / 3
    assert line["p"] == [decision.probabilities[0]]
    assert line["_label_probability"] == decision.probabilities[0]
    assert line["a"] == [2]


@pytest.mark.parametrize("name", [name for name, policy in POLICIES.items() if not policy.multi_slot])
def test_no_policy_looks_at_actions_that_were_not_chosen(vw, name):
    decision = ranked(probabilities=(0.85, 0.1, 0.05))
    events = [outcomes([{"v": value, "ActionTaken": False}]) for value in (1.0, 0.0, 0.5)]
    short = [learning_line(join(Traced(1, AT, "e", encode(decision), one))) for one in events]
    whole = [line.replace(b'"a":[2],"p":[0.85]', b'"a":[2,1,3],"p":[0.85,0.1,0.05]') for line in short]
    assert short != whole
    assert vw.fold(POLICIES[name], None, short) == vw.fold(POLICIES[name], None, whole)


@pytest.mark.parametrize(
    "found",
    [encode(Activated()), b'{"kind":"Activated","context":{}}', b'{"kind":"Ranked","context":{}}', b""],
)
def test_what_is_no_decision_is_damage(found):
    with pytest.raises(LogDamaged, match="event 7"):
        join(Traced(7, AT, "e", found, []))
