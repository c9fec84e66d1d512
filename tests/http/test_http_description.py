"""The server's own description: valid, whole, and nothing else; and the page to try it."""

import re

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from loopledger.adapters.http import shapes
from loopledger.adapters.http.address import address_of
from loopledger.adapters.http.description import _NOT_YET, _SHAPES
from loopledger.adapters.http.operations import OPERATIONS, _not_yet, operation_at
from loopledger.adapters.http.versions import PATHS, QUERIES, Version
from loopledger.deciding import rank_json

OWN = {"/health", "/metrics", "/openapi.json", "/docs"}
RANK = {"contextFeatures": [{"t": 1}], "actions": [{"id": "a", "features": [{"x": 1}]}, {"id": "b"}]}


@pytest.fixture
def document(served):
    return served.client.get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield path, method.upper(), operation


def test_it_is_valid(document):
    validate(document, cls=OpenAPIV31SpecValidator)


def test_it_has_every_operation_in_every_version_and_nothing_else(document):
    found = set()
    for path, method, operation in operations(document):
        if path in OWN:
            continue
        versions = [""]
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "api-version":
                versions = [f"api-version={name}" for name in parameter["schema"]["enum"]]
        for query in versions:
            address = address_of(re.sub(r"\{\w+\}", "x", path).encode(), query.encode())
            there = operation_at(address.path, address.version, method)
            assert operation["operationId"].startswith(f"{there.name}_{method.lower()}_")
            assert ("501" in operation["responses"]) == (there.carry_out is _not_yet)
            legacy = path.startswith("/personalization/")
            found.add((address.path, method, address.version, bool(query), legacy))
    styles = [(version, False, False) for version in PATHS.values()]
    styles += [(version, True, False) for version in QUERIES.values()] + [(Version.V1_0, False, True)]
    wanted = {
        (path, method, *style)
        for path, methods in OPERATIONS.items()
        for method, operation in methods.items()
        for style in styles
        if operation.there_in(style[0])
    }
    assert found == wanted
    assert document["paths"].keys() > OWN


def test_every_operation_that_is_there_is_described():
    there = {
        one.name for methods in OPERATIONS.values() for one in methods.values() if one.carry_out != _not_yet
    }
    assert there == _SHAPES.keys()
    assert _NOT_YET not in _SHAPES.values()


@pytest.mark.parametrize(
    ("described", "read"),
    [
        (shapes.RankRequest, rank_json.JsonRank),
        (shapes.RankAction, rank_json.JsonAction),
        (shapes.RankSlot, rank_json.JsonSlot),
        (shapes.MultiSlotRankRequest, rank_json.JsonRankSlots),
    ],
)
def test_requests_have_the_fields_that_are_read(described, read):
    def fields(kind):
        return [(field.encode_name, field.required) for field in msgspec.structs.fields(kind)]

    assert fields(described) == fields(read)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/rank", RANK),
        ("POST", "/rank", {"actions": None}),
        ("GET", "/configurations/service", None),
        ("GET", "/configurations/policy", None),
        ("GET", "/model/properties", None),
        ("GET", "/logs/properties", None),
    ],
)
@pytest.mark.parametrize(
    ("base", "query"), [("/personalizer/v1.0", ""), ("/personalizer", "?api-version=2022-09-01-preview")]
)
def test_answers_have_the_shape_that_it_says(served, document, base, query, method, path, body):
    reply = served.call(method, f"{base}{path}{query}", json=body)
    answer = document["paths"][base + path][method.lower()]["responses"][str(reply.status_code)]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    schema = {**answer["content"]["application/json"]["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(reply.json())


def test_the_page_needs_no_key_and_nobody_else(served):
    page = served.client.get("/docs")
    assert page.status_code == 200
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", page.headers["content-security-policy"])[1]
    assert page.text.count(f'nonce="{nonce}"') == 2
    assert "NONCE" not in page.text
    assert not re.search(r"https?:|src=|//\w", page.text)
    for key in served.keys.values():
        assert key not in page.text
    assert "news" not in served.client.get("/openapi.json").text
