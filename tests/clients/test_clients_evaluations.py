"""Offline evaluation is not here yet: its operations say so, in the clients' own exceptions."""

from datetime import UTC, datetime

import pytest
from faces import Refused

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACT = {"name": "n", "startTime": WHEN.isoformat(), "endTime": WHEN.isoformat(), "policies": []}


def calls_of_python(face):
    client = face.administration
    return {
        "list": lambda: list(client.list_evaluations()),
        "create": lambda: client.create_evaluation("e", {**CONTRACT, "enablePolicyOptimization": False}),
        "get": lambda: client.get_evaluation("e", start_time=WHEN, end_time=WHEN),
        "delete": lambda: client.delete_evaluation("e"),
        "apply": lambda: client.apply_from_evaluation({"evaluationId": "e", "policyName": "p"}),
        "list importances": lambda: list(client.list_feature_importances()),
        "create importance": lambda: client.create_feature_importance("f", CONTRACT),
        "get importance": lambda: client.get_feature_importance("f"),
        "delete importance": lambda: client.delete_feature_importance("f"),
    }


def calls_of_node(face):
    def path(method, path, status, **options):
        return lambda: face.answered(status, call="path", words=[path], method=method, options=options)

    return {
        "list": path("get", "/evaluations", 200),
        "create": path("post", "/evaluations", 201, body=CONTRACT),
        "get": path("get", "/evaluations/e", 200),
        "delete": path("delete", "/evaluations/e", 204),
        "apply": path(
            "post", "/configurations/applyFromEvaluation", 204, body={"evaluationId": "e", "policyName": "p"}
        ),
        "interactions": path(
            "post", "/logs/interactions", 204, bytes="AAAA", contentType="application/octet-stream"
        ),
        "observations": path(
            "post", "/logs/observations", 204, bytes="AAAA", contentType="application/octet-stream"
        ),
    }


def test_what_comes_later_says_so(administrator, server, connect, new_loop):
    name, key = new_loop(server)
    face = connect(administrator, server, key)
    calls = calls_of_python(face) if administrator == "ai (PyPI)" else calls_of_node(face)
    for what, call in calls.items():
        with pytest.raises(Refused) as refused:
            face._call(call) if administrator == "ai (PyPI)" else call()
        # Not a 500 or 503: those are crashes, and clients would try them again.
        assert refused.value.status in {404, 405, 501}, what
        assert refused.value.code, what
        assert refused.value.message, what
    assert len(server.log(name)) == 1
