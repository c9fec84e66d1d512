"""A data folder with a loop that has learned, for tests of what can be done with one afterwards."""

import json
import sqlite3
from contextlib import closing

import loopledger

START = 1_767_225_600 * 1_000_000
ACTIONS = {"sports": {"long": 1}, "politics": {"long": 0}, "music": {"long": 0.5}}
DECISIONS = 60
ROUNDS = 3


def make(folder, name="news", rounds=ROUNDS):
    """Make a loop whose log is the same on every call: three rounds of decisions, each learned."""
    clock = loopledger.SimulatedClock(START)
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(folder, clock=clock, workers=1) as ledger:
        loop = ledger.create(name, settings=settings)
        for number in range(rounds):
            live(loop, clock, number * DECISIONS)
            loop.train()


def live(loop, clock, first):
    for number in range(first, first + DECISIONS):
        decision = loop.rank(
            {"hour": number % 4}, ACTIONS, event_id=f"event-{number:03d}", deferred=number % 10 == 0
        )
        if number % 20 == 0:
            loop.activate(decision.event_id)
        loop.reward(decision.event_id, float(decision.action == "music"), key=decision.event_id)
        clock.advance(1)
    clock.advance(600)


def tamper(database, *statements):
    """Change a log as somebody would who has the file, and puts its rules back in place."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        rules = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in rules:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in rules:
            connection.execute(sql)


def seqs(database, kind):
    """Return where the events of a kind are."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT seq FROM events WHERE kind = ? ORDER BY seq", (kind,))
        return [seq for (seq,) in rows]


SLOTS_POLICY = loopledger.LearningPolicy("slots", "--ccb_explore_adf --epsilon 0.2 -l 0.2 -q ::")
SLOTS = [
    {"id": "top", "features": {"size": "large"}},
    {"id": "side", "features": {"size": "small", "shape": {"height": 2}}, "excluded": ["weather"]},
    {"id": "foot"},
]
MORE_ACTIONS = {**ACTIONS, "weather": {"mood": "not so good"}}


def live_slots(loop, clock, likes, first=0, count=40):
    """Let a loop decide three slots; each is liked for one action only."""
    for number in range(first, first + count):
        context = {"hour": number % 4, "device": "mobile phone", "shape": {"height": 1}}
        decision = loop.rank_slots(context, MORE_ACTIONS, SLOTS, event_id=f"event-{number:03d}")
        for slot in decision.slots:
            value = float(slot.action == likes[slot.slot])
            loop.reward(decision.event_id, value, slot=slot.slot, key=slot.slot)
        clock.advance(1)
    clock.advance(600)


def slots_request(hour=1, **more):
    """Return a multi-slot Rank as JSON, about what `live_slots` decides."""
    slots = [
        {"id": slot["id"], "features": slot.get("features", []), "excludedActions": slot.get("excluded", [])}
        for slot in SLOTS
    ]
    actions = [{"id": name, "features": [features]} for name, features in MORE_ACTIONS.items()]
    context = [{"hour": hour, "device": "mobile phone", "shape": {"height": 1}}]
    return json.dumps({"contextFeatures": context, "actions": actions, "slots": slots, **more})
