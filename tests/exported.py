"""Loops of every sort whose decisions can be exported."""

from loopledger import Settings, Slot

ACTIONS = {"sports": {"long": 1}, "politics": {"long": 0}, "music": {"long": 0.5}}
GREEDY = {"name": "greedy", "arguments": "--cb_explore_adf --epsilon 0.2 -q :i -q :j"}
SLOTS = {"name": "slots", "arguments": "--ccb_explore_adf --epsilon 0.2 -q :i -q :j"}
DECISIONS = 60


def live(loop, clock, *, first=0, count=DECISIONS, slots=False):
    """Make decisions of every sort, rewarded, activated or not, the windows of all of them closed."""
    for number in range(first, first + count):
        context, event_id, deferred = {"hour": number % 4}, f"event-{number:03d}", number % 10 == 0
        if slots:
            places = [Slot("top", {"large": 1}), Slot("side", excluded=["sports"], baseline="music")]
            answer = loop.rank_slots(context, ACTIONS, places, event_id=event_id, deferred=deferred)
            for at, slot in enumerate(answer.slots):
                if (number + at) % 3:
                    loop.reward(event_id, float(slot.action == "music"), slot=slot.slot)
        else:
            excluded = ["politics"] if number % 7 == 0 else []
            answer = loop.rank(context, ACTIONS, event_id=event_id, excluded=excluded, deferred=deferred)
            if number % 3:
                loop.reward(event_id, float(answer.action == "music"))
        if number % 20 == 0:
            loop.activate(event_id)
        clock.advance(1)
    clock.advance(600)


def learned(ledger, clock, *, slots=False, mode="Online", name="news", **settings):
    """Make a loop that decided with and without a model, and learned all of it in one step at last."""
    chosen = Settings(model_update_frequency=0, learning_mode=mode, **settings)
    policy = SLOTS if slots else GREEDY
    loop = ledger.create(name, policy=policy, settings=chosen)
    for number in range(3):
        live(loop, clock, first=number * DECISIONS, slots=slots)
        loop.train()
    loop.change_policy({**policy, "arguments": policy["arguments"] + " -l 0.25"})
    (last,) = loop.train()
    assert loop.model(last).parent == 0
    return loop
