"""The server's own description, OpenAPI 3.1: made from the table of operations and the shapes of bodies."""

from itertools import chain
from typing import Any, NamedTuple

import msgspec

from loopledger.adapters.http.address import ANY
from loopledger.adapters.http.configuration import ServiceConfiguration
from loopledger.adapters.http.contracts import (
    EvaluationContract,
    FeatureImportanceContract,
    PolicyReferenceContract,
)
from loopledger.adapters.http.evaluations import Evaluation, Evaluations, WholeEvaluation
from loopledger.adapters.http.events import MultiSlotRewardRequest, RewardRequest
from loopledger.adapters.http.importances import FeatureImportance, FeatureImportances
from loopledger.adapters.http.logs import LogsProperties
from loopledger.adapters.http.model import ModelProperties
from loopledger.adapters.http.operations import OPERATIONS, Operation, Path
from loopledger.adapters.http.policy import PolicyContract
from loopledger.adapters.http.rank import ExplainedRankResponse, MultiSlotRankResponse, RankResponse
from loopledger.adapters.http.shapes import ErrorEnvelope, MultiSlotRankRequest, RankRequest
from loopledger.adapters.http.versions import PATHS, QUERIES, Version


class _Shape(NamedTuple):
    """What goes into an operation and what comes out; bytes stand for a file."""

    summary: str
    body: Any = None
    status: int = 501
    answer: Any = None


_CONFIGURATION, _NO_CONTENT = ServiceConfiguration, 204
_SHAPES = {
    "Rank": _Shape("Choose an action", RankRequest, 201, RankResponse),
    "Events_Reward": _Shape("Say what a decision was worth", RewardRequest, _NO_CONTENT),
    "Events_Activate": _Shape("Say that a deferred decision took effect", None, _NO_CONTENT),
    "MultiSlot_Rank": _Shape(
        "Choose an action for each slot", MultiSlotRankRequest, 201, MultiSlotRankResponse
    ),
    "MultiSlotEvents_Reward": _Shape("Say what slots were worth", MultiSlotRewardRequest, _NO_CONTENT),
    "MultiSlotEvents_Activate": _Shape("Say that a deferred decision took effect", None, _NO_CONTENT),
    "ServiceConfiguration_Get": _Shape("Read the service configuration", None, 200, _CONFIGURATION),
    "ServiceConfiguration_Update": _Shape(
        "Change the service configuration", _CONFIGURATION, 200, _CONFIGURATION
    ),
    "Policy_Get": _Shape("Read the learning policy", None, 200, PolicyContract),
    "Policy_Update": _Shape("Put another learning policy in force", PolicyContract, 200, PolicyContract),
    "Policy_Reset": _Shape("Go back to the first learning policy", None, 200, PolicyContract),
    "Model_Get": _Shape("Fetch the model that answers", None, 200, bytes),
    "Model_Import": _Shape("Publish a signed model", bytes, _NO_CONTENT),
    "Model_Reset": _Shape("Go back to no model", None, _NO_CONTENT),
    "Model_GetProperties": _Shape("When the model was made", None, 200, ModelProperties),
    "Log_Delete": _Shape("Erase what was logged until now", None, _NO_CONTENT),
    "Log_GetProperties": _Shape("From when to when there are decisions", None, 200, LogsProperties),
    "ServiceConfiguration_ApplyFromEvaluation": _Shape(
        "Put a policy of an evaluation in force, with a model", PolicyReferenceContract, _NO_CONTENT
    ),
    "Evaluations_List": _Shape("Evaluations, the latest first", None, 200, list[Evaluation]),
    "Evaluations_Create": _Shape("Ask for an evaluation", EvaluationContract, 201, Evaluation),
    "Evaluations_Get": _Shape("What an evaluation came to", None, 200, Evaluation),
    "Evaluations_Delete": _Shape("Delete an evaluation", None, _NO_CONTENT),
    "FeatureImportances_List": _Shape("Feature importances, the latest first", None, 200, FeatureImportances),
    "FeatureImportances_Create": _Shape("Ask which features matter", FeatureImportanceContract, 200),
    "FeatureImportances_Get": _Shape("Which features matter", None, 200, FeatureImportance),
    "FeatureImportances_Delete": _Shape("Delete a feature importance", None, _NO_CONTENT),
}
_LATER = {
    "Rank": (_SHAPES["Rank"], _Shape("Choose an action", RankRequest, 201, ExplainedRankResponse)),
    "Evaluations_List": (_Shape("Evaluations, the latest first", None, 200, Evaluations),),
    "Evaluations_Create": (_Shape("Ask for an evaluation", EvaluationContract, 200),),
    "Evaluations_Get": (_Shape("What an evaluation came to", None, 200, WholeEvaluation),),
}
"""What the last version has instead; of several shapes it is one."""

_NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_PAGING = {"top": _NUMBER, "skip": _NUMBER, "maxpagesize": {**_NUMBER, "minimum": 1}}
_MOMENT = {
    "type": "string",
    "description": "Needed with 2022-09-01-preview.",
    "examples": ["2026-09-01T00:00:00Z"],
}
_QUERIES: dict[str, tuple[Version, dict[str, dict[str, Any]]]] = {
    "Model_Get": (Version.PREVIEW_3, {"signed": {"type": "boolean"}}),
    "Evaluations_List": (Version.V2022, {"filter": {"type": "string"}, **_PAGING}),
    "Evaluations_Get": (
        Version.V2022,
        {
            "startTime": _MOMENT,
            "endTime": _MOMENT,
            "intervalInMinutes": {"type": "integer", "enum": [5, 60, 360, 720, 1440], "default": 5},
            "window": {"type": "string", "enum": ["Expanding", "Rolling"], "default": "Expanding"},
        },
    ),
    "FeatureImportances_List": (Version.V2022, _PAGING),
}
"""What can stand in the query, and since when."""

_NOT_YET = _Shape("Not there yet")
_SPELLING = {
    "applyfromevaluation": "applyFromEvaluation",
    "featureimportances": "featureImportances",
}
_IDS = {
    "events": "eventId",
    "evaluations": "evaluationId",
    "featureimportances": "featureImportanceId",
}
_REF = "#/components/schemas/{name}"
_KEYS: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]


class _Style(NamedTuple):
    """A way to name the version: a beginning of paths, and the version that it means."""

    name: str
    base: str
    version: Version
    in_query: bool = False

    def versions(self, operation: Operation) -> list[Version]:
        """Return the versions that have an operation and can be named so."""
        named = QUERIES.values() if self.in_query else [self.version]
        return [version for version in named if operation.there_in(version)]


_STYLES = [
    *(_Style(name, f"/personalizer/{name}", version) for name, version in PATHS.items()),
    _Style("api-version", "/personalizer", Version.V2022, in_query=True),
    _Style("legacy", "/personalization/v1.0", Version.V1_0),
]


def described() -> dict[str, Any]:
    """Return the description: every operation under every way to name a version that has it."""
    shapes = [*_SHAPES.values(), *chain(*_LATER.values())]
    kinds = [kind for shape in shapes for kind in (shape.body, shape.answer) if kind not in {None, bytes}]
    _, schemas = msgspec.json.schema_components([*kinds, ErrorEnvelope], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for style in _STYLES:
        for path, methods in OPERATIONS.items():
            there = {
                method.lower(): _operation(style, method, operation, path)
                for method, operation in methods.items()
                if style.versions(operation)
            }
            if there:
                paths[style.base + _written(path)] = {**_parameters(path), **there}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "loopledger",
            "version": "1",
            "description": "Azure Personalizer's REST API, answered by loopledger. The key names the loop. "
            "`GET` answers `HEAD` too. docs/compatibility.md says what is the same, better or different.",
        },
        "servers": [
            {"url": "/", "description": "The loop that the key names."},
            {
                "url": "/loops/{loop}",
                "description": "The same, refused if the key names another loop.",
                "variables": {"loop": {"default": "my-loop"}},
            },
        ],
        "security": _KEYS,
        "paths": {**paths, **_own()},
        "components": {
            "schemas": schemas,
            "responses": {
                "Error": {
                    "description": "What was wrong, and the way out.",
                    "content": {"application/json": {"schema": {"$ref": _REF.format(name="ErrorEnvelope")}}},
                }
            },
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(style: _Style, method: str, operation: Operation, path: Path) -> dict[str, Any]:
    shapes = _shapes(style, operation)
    error = {"$ref": "#/components/responses/Error"}
    answers: dict[str, Any] = {str(status): error for status in (400, 401, 429)}
    for shape in shapes:
        if shape is _NOT_YET:
            answers["501"] = error
        else:
            kinds = [one.answer for one in shapes if one.answer is not None and one.status == shape.status]
            content = {"content": _content(kinds)} if kinds else {}
            answers[str(shape.status)] = {"description": "Done.", **content}
    answers["4XX"] = answers["5XX"] = error
    described: dict[str, Any] = {
        "operationId": f"{operation.name}_{method.lower()}_{style.name}",
        "summary": shapes[0].summary,
        "tags": [path[0]],
        "responses": answers,
    }
    if parameters := _query(style, operation):
        described["parameters"] = parameters
    if shapes[0].body is not None:
        described["requestBody"] = {"required": True, "content": _content([shapes[0].body])}
    return described


def _shapes(style: _Style, operation: Operation) -> list[_Shape]:
    """Return what goes in and comes out, in any of the versions that can be named so."""
    usual = (_SHAPES.get(operation.name, _NOT_YET),)
    later = _LATER.get(operation.name, usual)
    versions = style.versions(operation)
    return list(dict.fromkeys(chain(*(later if one is Version.V2022 else usual for one in versions))))


def _content(kinds: list[Any]) -> dict[str, Any]:
    if bytes in kinds:
        return {"application/octet-stream": {}}
    schemas, _ = msgspec.json.schema_components(kinds, ref_template=_REF)
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}}}


def _query(style: _Style, operation: Operation) -> list[dict[str, Any]]:
    parameters = []
    if style.in_query:
        names = [name for name, version in QUERIES.items() if operation.there_in(version)]
        schema: dict[str, Any] = {"type": "string", "enum": names}
        parameters.append({"name": "api-version", "in": "query", "required": True, "schema": schema})
    since, more = _QUERIES.get(operation.name, (Version.V1_0, {}))
    if max(style.versions(operation)) >= since:
        for name, schema in more.items():
            parameters.append({"name": name, "in": "query", "schema": schema})
    return parameters


def _written(path: Path) -> str:
    parts = ["{" + _IDS[path[at - 1]] + "}" if part == ANY else part for at, part in enumerate(path)]
    return "/" + "/".join(_SPELLING.get(part, part) for part in parts)


def _parameters(path: Path) -> dict[str, Any]:
    if ANY not in path:
        return {}
    name = _IDS[path[path.index(ANY) - 1]]
    schema = {"type": "string", "minLength": 1}
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": schema}]}


def _own() -> dict[str, Any]:
    """Return the server's own operations."""

    def own(name: str, summary: str, kind: str, **more: Any) -> dict[str, Any]:
        answer = {"200": {"description": "As asked.", "content": {kind: {}}}}
        answers = {**answer, **more.pop("responses", {})}
        return {
            "get": {"operationId": name, "summary": summary, "tags": ["server"], "responses": answers, **more}
        }

    error = {"$ref": "#/components/responses/Error"}
    starting = {"503": {"description": "Not yet, or not any more."}}
    return {
        "/health": own(
            "health", "Whether loops can be asked", "application/json", responses=starting, security=[]
        ),
        "/metrics": own("metrics", "The loop in numbers", "text/plain", responses={"401": error}),
        "/openapi.json": own("openapi", "This description", "application/json", security=[]),
        "/docs": own("docs", "A page to try it", "text/html", security=[]),
    }
