"""The documented requests get responses of the documented shapes."""

import json

import pytest
from support import SHARED

EXAMPLES = sorted((SHARED / "specs").glob("*/examples/*.json"))
BASES = {
    "stable-v1.0": ("/personalizer/v1.0", ""),
    "preview-v1.1-preview.3": ("/personalizer/v1.1-preview.3", ""),
    "preview-2022-09-01-preview": ("/personalizer", "?api-version=2022-09-01-preview"),
}
CALLS = {
    "Rank": ("POST", "rank", "rankRequest"),
    "MultiSlot_Rank": ("POST", "multislot/rank", "body"),
    "Policy_Get": ("PUT", "configurations/policy", None),
    "ServiceConfiguration_Get": ("PUT", "configurations/service", None),
}
WANTED = [
    pytest.param(path, id=f"{path.parts[-3]}-{path.stem}")
    for path in EXAMPLES
    if path.stem in CALLS and path.parts[-3] in BASES
]


def shape(value):
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


@pytest.mark.skipif(not EXAMPLES, reason="the specifications are not here")
@pytest.mark.parametrize("path", WANTED)
def test_documented_requests_get_documented_responses(served, path):
    example = json.loads(path.read_text())
    base, query = BASES[path.parts[-3]]
    method, operation, field = CALLS[path.stem]
    ((status, documented),) = example["responses"].items()
    sent = documented["body"] if field is None else example["parameters"][field]
    loop = "home" if path.stem == "MultiSlot_Rank" else "news"
    address = f"{base}/{operation}{query}"
    answer = served.call(method, address, loop=loop, json=sent, code=int(status)).json()
    if method == "PUT":
        assert served.call("GET", address, code=200).json() == answer
        own = {"lastConfigurationEditDate", "isInferenceExplainabilityEnabled"}
        documented = {name: value for name, value in documented["body"].items() if name not in own}
        assert documented == {name: value for name, value in answer.items() if name not in own}
    else:
        assert shape(answer) == shape(documented["body"])


def test_there_are_such_examples():
    assert not EXAMPLES or {param.id for param in WANTED} >= {
        "stable-v1.0-Rank",
        "stable-v1.0-Policy_Get",
        "preview-2022-09-01-preview-MultiSlot_Rank",
        "preview-v1.1-preview.3-ServiceConfiguration_Get",
    }
