"""Lines of cooked logs as Personalizer wrote them, for tests."""

import json
from typing import Any

import pytest
from support import SHARED

from loopledger.adapters.embedding.moments import microseconds
from loopledger.deciding.draw import float32
from loopledger.exchange.cooked_line import Times

TIMES = Times(1_767_225_600 * 1_000_000, microseconds)
CB = "cb_cooked_log.dsjson"
CCB = "ccb_cooked_log.dsjson"
DANGLING = "dangling_reward_log.json"
ZIP = "signed_model_quickstart.zip"
FINGERPRINT = "f29c84894cad644319945f2d14584bfa37c1f06e0a5767ec5932b2059b7ba4d2"


def sample(name):
    path = SHARED / "samples" / name
    if not path.exists():
        pytest.skip("the samples of Personalizer's files are not here")
    return path


def lines(name):
    return sample(name).read_bytes().splitlines(keepends=True)


def context(*, shared=None, actions=("a", "b", "c"), features=None) -> Any:
    return {
        "FromUrl": [{"hour": 7, "device": "mobile"}] if shared is None else shared,
        "_multi": [
            {
                "_tag": name,
                "i": {"constant": 1, "id": name},
                "j": [{"x": at} if features is None else features],
            }
            for at, name in enumerate(actions)
        ],
    }


def observation(value, event_id="e", **more):
    return {"v": value, "EventId": event_id, "ActionTaken": False, **more}


def cb(event_id="e", *, chosen=2, reward=0.0, original=None, observed=None, **changes) -> Any:
    """Return a line of one action as an object; the reward is the label's."""
    order = [chosen, *(number for number in (1, 2, 3) if number != chosen)]
    line = {
        "_label_cost": -reward,
        "_label_probability": float32(0.5),
        "_label_Action": chosen,
        "_labelIndex": chosen - 1,
        **({} if observed is None else {"o": observed}),
        "Timestamp": "2021-04-24T20:02:39.0740000Z",
        "Version": "1",
        "EventId": event_id,
        "a": order,
        "c": context(),
        "p": [0.5, 0.25, 0.25],
        "VWState": {"m": "N/A"},
        "_original_label_cost": -(reward if original is None else original),
    }
    return {name: value for name, value in {**line, **changes}.items() if value is not ...}


def ccb(event_id="e", *, outcomes=None, slots=None, **changes) -> Any:
    """Return a line of two slots as an object."""
    line = {
        "Timestamp": "2021-04-26T17:23:28.1726275",
        "Version": "1",
        "EventId": event_id,
        "c": {
            **context(),
            "_slots": slots or [{"_id": "s", "sj": [{"y": 1}]}, {"_id": "t", "sj": [{"y": 2}]}],
        },
        "_outcomes": outcomes or [outcome("s", [2, 0, 1]), outcome("t", [1, 0])],
        "_ba": [0, 1],
        "VWState": {"m": "model-7"},
    }
    return {name: value for name, value in {**line, **changes}.items() if value is not ...}


def outcome(slot, order, *, reward=0.0, original=None, observed=()):
    return {
        "_label_cost": -reward,
        "_id": slot,
        "_a": order,
        "_p": [round(1 / len(order), 7)] * len(order),
        "_o": list(observed),
        "_original_label_cost": -(reward if original is None else original),
    }


def encoded(line):
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def written(folder, *log, name="log.json"):
    path = folder / name
    path.write_bytes(b"".join(line if isinstance(line, bytes) else encoded(line) for line in log))
    return path
