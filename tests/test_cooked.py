import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies import POLICIES
from support import SHARED, ranked

from loopledger.errors import LogDamaged
from loopledger.exchange.cooked import cooked_line, learning_line
from loopledger.learning.joining import join
from loopledger.log.events import Activated, Ranked, Rewarded, SlotRanking, SlotsRanked, encode
from loopledger.log.journal import Outcome, Traced
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


def examples_of(name):
    """Return the lines of a real cooked log, each with what our log would come to."""
    single = name.startswith("cb")
    for cooked in cooked_log(name):
        decision = one_action(cooked) if single else several_slots(cooked)
        observed = cooked.get("o", []) if single else [o for s in cooked["_outcomes"] for o in s["_o"]]
        yield cooked, join(Traced(1, AT, cooked["EventId"], encode(decision), outcomes(observed)))


def flat(value, path=()):
    """Yield everything in a JSON value with where it stands, in its order."""
    if isinstance(value, dict | list):
        yield path, type(value)
        for at, inside in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(inside, (*path, at))
    else:
        yield path, value


@pytest.mark.parametrize("name", ["cb_cooked_log.dsjson", "ccb_cooked_log.dsjson"])
def test_our_cooked_lines_are_the_real_ones_field_by_field(name):
    for cooked, example in examples_of(name):
        line = cooked_line(example, cooked["Timestamp"])
        assert line.endswith(b"}\n")
        for slot in cooked.get("_outcomes", ()):
            for one in slot["_o"]:
                one["Index"] = slot["_id"]  # theirs may call a slot by its place
        ours, theirs = list(flat(json.loads(line))), list(flat(cooked))
        assert [path for path, _ in ours] == [path for path, _ in theirs]
        for (path, one), (_, other) in zip(ours, theirs, strict=True):
            assert type(one) is type(other), path
            assert one == (pytest.approx(other) if isinstance(other, float) else other), path


@pytest.mark.parametrize("name", ["cb_cooked_log.dsjson", "ccb_cooked_log.dsjson"])
def test_vowpalwabbit_learns_the_same_from_our_cooked_lines_as_from_the_real_ones(vw, name):
    arguments = "--cb_explore_adf" if name.startswith("cb") else "--ccb_explore_adf"
    policy = LearningPolicy("p", f"{arguments} --epsilon 0.2 -l 0.5 -q ::")
    found = list(examples_of(name))
    ours = [cooked_line(example, cooked["Timestamp"]) for cooked, example in found]
    theirs = [json.dumps(cooked).encode() + b"\n" for cooked, _ in found]
    assert vw.fold(policy, None, ours) == vw.fold(policy, None, theirs)


SINGLE = [
    *("_label_cost", "_label_probability", "_label_Action", "_labelIndex", "_skipLearn", "o", "Timestamp"),
    *("Version", "EventId", "a", "c", "p", "VWState", "_original_label_cost"),
]
MULTI = ["Timestamp", "_skipLearn", "Version", "EventId", "c", "_outcomes", "_ba", "VWState"]
NUMBERS = st.floats(-1e6, 1e6)
CAME = st.lists(st.one_of(NUMBERS, st.none()), max_size=4)


@given(
    several=st.booleans(),
    came=CAME,
    deferred=st.booleans(),
    apprentice=st.booleans(),
    version=st.integers(0, 2**40),
    event_id=st.text(min_size=1, max_size=9),
    chances=st.sampled_from([(0.5, 0.25, 0.25), (1 / 3, 1 / 3, 1 / 3), (0.0, 1.0, 0.0), (1e-9, 0.5, 0.5)]),
)
def test_the_form_of_a_cooked_line(several, came, deferred, apprentice, version, event_id, chances):
    mode = "Apprentice" if apprentice else "Online"
    decision = ranked(deferred=deferred, learning_mode=mode, model_version=version, probabilities=chances)
    if several:
        slot = {"excluded": (), "ranked": (1, 0, 2), "probabilities": chances, "chosen": "b"}
        slots = tuple(SlotRanking(slot=name, baseline=at, **slot) for at, name in enumerate("st"))
        shared = {name: getattr(decision, name) for name in SlotsRanked.__struct_fields__ if name != "slots"}
        decision = SlotsRanked(**shared, slots=slots)
    told = [{"v": value, "Index": "s" if several else None, "ActionTaken": value is None} for value in came]
    example = join(Traced(1, AT, event_id, encode(decision), outcomes(told)))
    written = cooked_line(example, "2026-01-01T00:00:00.0000000Z")
    assert written.count(b"\n") == 1
    line = json.loads(written)
    skipped = example.skipped is not None
    assert skipped == ((deferred and None not in came) or chances[0] < 1e-7)
    observed = [
        {"EventId": event_id, **({"Index": "s"} if several else {}), "ActionTaken": value is None}
        | ({} if value is None else {"v": value})
        for value in came
    ]
    absent = {name for name, there in (("_skipLearn", skipped), ("o", bool(came))) if not there}
    assert list(line) == [name for name in (MULTI if several else SINGLE) if name not in absent]
    assert (line["EventId"], line["Version"]) == (event_id, "1")
    assert line["Timestamp"] == "2026-01-01T00:00:00.0000000Z"
    assert line["VWState"] == {"m": str(version) if version else "N/A"}
    assert line.get("_skipLearn", False) is skipped
    assert line["c"] == json.loads(bytes(decision.context))
    first = next((value for value in came if value is not None), 0.0)
    if several:
        (top, side) = line["_outcomes"]
        assert list(top) == ["_label_cost", "_id", "_a", "_p", "_o", "_original_label_cost"] == list(side)
        assert (top["_id"], side["_id"], line["_ba"]) == ("s", "t", [0, 1])
        assert (top["_a"], top["_p"], top["_o"]) == ([1, 0, 2], list(chances), observed)
        assert side["_o"] == [one | {"Index": "t"} for one in observed if one["ActionTaken"]]
        assert top["_label_cost"] == (0.0 if apprentice else -first)
        assert side["_label_cost"] == (-1.0 if apprentice else 0.0)
        assert top["_original_label_cost"] == -first
        return
    assert line.get("o", []) == observed
    assert (line["a"], line["p"]) == ([2, 1, 3], list(chances))
    assert (line["_label_Action"], line["_labelIndex"], line["_label_probability"]) == (2, 1, chances[0])
    assert line["_label_cost"] == (0.0 if apprentice else -first)
    assert line["_original_label_cost"] == -first


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
