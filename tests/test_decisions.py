"""Which request is the repetition of one that was decided, and which only has its id."""

import json

import pytest
from msgspec.structs import replace
from support import SLOTS, Bench, context_of
from test_loop import learned, rank

from loopledger.commands import RankSlots
from loopledger.deciding.request import Slot, read_slots
from loopledger.errors import Conflict, InvalidRequest
from loopledger.settings import Limits, Settings

IDS = ("a", "b", "c")


def rank_slots(*slots, event_id="e", named=True, context=None, deferred=False):
    slots = slots or (Slot("s", {"x": 1}), Slot("t", {"x": 2}, excluded=["a"]))
    terms = tuple(term for _, term in read_slots(list(slots), IDS, Limits()))
    made = context_of(context or {"hour": 7}, slots=list(slots))
    return RankSlots(event_id, named, made, IDS, terms, deferred)


def respelled(command):
    return replace(command, context=json.dumps(json.loads(command.context), indent=1).encode())


SINGLE = [
    (rank(), rank(deferred=True)),
    (rank(), rank(excluded=("b",))),
    (rank(excluded=("a",)), rank(excluded=("b",))),
    (rank(), rank(context={"hour": 8})),
    (rank(), rank(actions=("a", "b"))),
    (replace(rank(), actions=("a", "b", "c")), replace(rank(), actions=("a", "b", "d"))),
    (replace(rank(), excluded=("a",)), replace(rank(), excluded=("c",))),
]
SEVERAL = [
    (rank_slots(), rank_slots(deferred=True)),
    (rank_slots(), rank_slots(context={"hour": 8})),
    (rank_slots(), replace(rank_slots(), actions=("a", "b", "d"))),
    (rank_slots(Slot("s")), rank_slots(Slot("s"), Slot("t"))),
    *(
        (replace(rank_slots(), slots=(first,)), replace(rank_slots(), slots=(second,)))
        for (first,), (second,) in [
            (rank_slots(Slot("s")).slots, rank_slots(Slot("t")).slots),
            (rank_slots(Slot("s", baseline="a")).slots, rank_slots(Slot("s", baseline="c")).slots),
            (rank_slots(Slot("s", excluded=["b"])).slots, rank_slots(Slot("s", excluded=["c"])).slots),
        ]
    ),
]


def bench_for(command, **settings):
    return Bench(
        settings=Settings(**settings), **({"policy": SLOTS} if isinstance(command, RankSlots) else {})
    )


@pytest.mark.parametrize(("one", "other"), SINGLE + SEVERAL)
def test_only_the_same_request_is_a_repetition(one, other):
    for first, second in [(one, other), (other, one)]:
        bench = bench_for(first)
        answer = bench.do(first)
        kinds = bench.kinds()
        with pytest.raises(Conflict, match="is in the log with another request"):
            bench.do(second)
        assert bench.do(first) == answer
        assert bench.do(respelled(first)) == answer
        assert bench.kinds() == kinds


@pytest.mark.parametrize("command", [rank(), rank_slots()], ids=["single", "slots"])
def test_an_id_that_was_not_named_is_not_looked_up(command):
    bench = bench_for(command)
    bench.do(replace(command, named=False))
    bench.do(replace(command, named=False))
    assert len(bench.records("Ranked", "SlotsRanked")) == 2


@pytest.mark.parametrize("command", [rank(), rank_slots()], ids=["single", "slots"])
def test_the_id_of_an_erased_decision_is_not_used_again(command):
    bench = bench_for(command)
    bench.do(command)
    bench.clock.advance(601)
    bench.erase("e", force=True)
    with pytest.raises(Conflict, match="belongs to a decision that was erased"):
        bench.do(command)
    bench.do(replace(command, event_id="f"))


@pytest.mark.parametrize(("one", "other"), [(rank(), rank_slots()), (rank_slots(), rank())])
def test_a_loop_decides_one_kind_only(one, other):
    bench = bench_for(one)
    bench.do(one)
    with pytest.raises(InvalidRequest, match="use rank"):
        bench.do(replace(other, event_id="f"))
    with pytest.raises(Conflict, match="is in the log with another request"):
        bench.do(other)


@pytest.mark.parametrize("excluded", [(), ("a",), ("b",), ("d",), ("a", "b"), ("b", "d"), ("a", "c", "d")])
def test_chosen_is_the_name_of_what_was_ranked_first(excluded):
    bench, names = Bench(), ("a", "b", "c", "d")
    learned(bench, 3)
    offered = [name for name in names if name not in excluded]
    for number in range(20):
        decision = bench.do(rank(f"d{number}", actions=names, excluded=excluded))
        body = json.loads(bench.records("Ranked")[-1].body)
        assert len(body["ranked"]) == len(offered)
        assert decision.action == body["chosen"] == offered[body["ranked"][0]]
