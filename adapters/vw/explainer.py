"""What a model has learned for each feature, as VowpalWabbit's own audit says it.

The audit is printed, and only by a program that is started for it: `auditing.py`, beside this.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loopledger.adapters.scratch import Scratch
from loopledger.adapters.vw.arguments import to_score
from loopledger.errors import LearnerFailed
from loopledger.learning.learner import Weight
from loopledger.policy import LearningPolicy

_PROGRAM = Path(__file__).with_name("auditing.py")

_NEXT = "= = ="
"""Stands after each context; VowpalWabbit prints nothing like it."""

_BLOCKS = re.compile(r"\n(?=[^\s:]+ )")
"""What begins an action: a number, a space, its tag. A text may hold line ends, but no space and no colon."""

_FEATURE = re.compile(r"(.+):\d+:(\S+?):([^@:\s]+)(?:@\S*)?", re.DOTALL)
_SPELT = str.maketrans(" \t:|", "____")
_PATIENCE = 120.0


def explain(
    policy: LearningPolicy, model: bytes | None, contexts: Sequence[bytes]
) -> list[list[list[Weight]]]:
    """Return the features of each action of some contexts, as `Learner.explain` describes."""
    with Scratch() as folder:
        path = None
        if model is not None:
            path = str(folder / "model.vw")
            Path(path).write_bytes(model)
        command = [sys.executable, "-P", str(_PROGRAM), *to_score(policy, path)]
        try:
            done = subprocess.run(
                command, input=b"\n".join(contexts), capture_output=True, check=True, timeout=_PATIENCE
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = (error.stderr or b"")[-300:].decode(errors="replace").strip()
            raise LearnerFailed(f"the engine cannot explain itself: {said}") from None
    parts = done.stdout.decode(errors="replace").split(f"{_NEXT}\n")[: len(contexts)]
    if len(parts) != len(contexts):
        raise LearnerFailed(f"the engine explained {len(parts)} of {len(contexts)} contexts")
    return [_actions(part, json.loads(context)) for part, context in zip(parts, contexts, strict=True)]


def _actions(audit: str, context: dict[str, Any]) -> list[list[Weight]]:
    before, count = _asked(context)
    lines = [block.partition("\n")[2] for block in _BLOCKS.split(audit.removesuffix("\n"))]
    lines = [line for line in lines if line.startswith("\t")]
    if not lines or len(lines) % (before + count):
        raise LearnerFailed(f"the engine explained {len(lines)} actions where there are {before + count}")
    texts = dict(_texts(context))
    models = len(lines) // (before + count)
    lines = lines[before * models :]
    return [_mean([_features(line, texts) for line in lines[at::count]], models) for at in range(count)]


def _asked(context: dict[str, Any]) -> tuple[int, int]:
    """Return how many slots, of one action each, come before what is explained, and its actions' number."""
    *before, last = context.get("_slots", [{}])
    taken = {position for slot in before for position in slot["_inc"]}
    offered = last.get("_inc", range(len(context["_multi"])))
    return len(before), sum(position not in taken for position in offered)


def _features(line: str, texts: dict[str, str]) -> dict[str, Weight]:
    features: dict[str, Weight] = {}
    for token in line.split("\t"):
        found = _FEATURE.fullmatch(token)
        if found is None:
            continue
        spelt, value = found[1], float(found[2])
        if spelt in features:  # the caller sent it twice, or context and slot both have it
            value += features[spelt].value
        name = "^".join(_parts(spelt, texts))
        features[spelt] = Weight(name, value, float(found[3]))
    return features


def _parts(spelt: str, texts: dict[str, str]) -> Iterator[str]:
    """Yield the features that were crossed, as people would spell them; a text may hold a star itself."""
    pieces = spelt.split("*")
    while pieces:
        ends = (end for end in range(len(pieces), 0, -1) if "*".join(pieces[:end]) in texts)
        end = next(ends, 1)
        part = "*".join(pieces[:end])
        yield texts.get(part) or _readable(part)
        del pieces[:end]


def _readable(part: str) -> str:
    slot = part.removeprefix("_ccb_slot_index^index")
    return f"_slot={slot}" if slot != part else part.replace("^", ".", 1)


def _mean(models: list[dict[str, Weight]], count: int) -> list[Weight]:
    names = dict.fromkeys(name for model in models for name in model)
    return [
        Weight(
            next(model[name].feature for model in models if name in model),
            next(model[name].value for model in models if name in model),
            sum(model[name].weight for model in models if name in model) / count,
        )
        for name in names
    ]


def _texts(context: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how the audit spells features that are texts, name and text in one, and how people would."""
    shared = {name: value for name, value in context.items() if not name.startswith("_")}
    for example in (shared, *context["_multi"], *context.get("_slots", [])[-1:]):
        for namespace, features in example.items():
            for item in features if isinstance(features, list) else [features]:
                if isinstance(item, dict):
                    yield from _texts_of(namespace, item)


def _texts_of(namespace: str, features: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in features.items():
        if isinstance(value, dict):
            yield from _texts_of(name, value)
        elif isinstance(value, str):
            # The engine reads a text up to its first NUL only.
            seen = value.partition("\0")[0].translate(_SPELT)
            yield f"{namespace}^{name}{seen}", f"{namespace}.{name}={value}"
