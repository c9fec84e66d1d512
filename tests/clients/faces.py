"""Personalizer's own clients behind one face, so that a test can be made with each of them.

A face takes and gives what goes over the wire; a refusal is `Refused`, made of the exception that
the client itself has for it. Whatever else a client raises fails the test.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

HERE = Path(__file__).parent
_numbers = itertools.count()
HANG = 120
SCRIPTS = {"cognitiveservices (npm)": "cognitiveservices.js", "rest (npm)": "rest.js"}
DECIDING = ["cognitiveservices (PyPI)", "ai (PyPI)", *SCRIPTS]
"""The clients that rank, reward and activate: all of them."""
ADMINISTERING = ["ai (PyPI)", "rest (npm)"]
"""The clients that have every operation."""


class Refused(Exception):
    """What a client raised when the server refused.

    Attributes:
        kind: Name of the client's own exception.
        status: HTTP status.
        code, message: Of the error in the answer, as the client found them.

    """

    def __init__(self, kind, status, code, message):
        super().__init__(f"{kind} {status} {code}: {message}")
        self.kind, self.status, self.code, self.message = kind, status, code, message


class Server(msgspec.Struct, frozen=True):
    """Where a client has to go, and with what.

    Attributes:
        endpoint: As its user would write it.
        key: The subscription key.
        certificate: File of certificates to trust; none: http.

    """

    endpoint: str
    key: str
    certificate: str | None = None


class Cognitive:
    """PyPI azure-cognitiveservices-personalizer: Rank, Reward and Activate of v1.0."""

    def __init__(self, server):
        package = pytest.importorskip("azure.cognitiveservices.personalizer")
        from azure.cognitiveservices.personalizer import models
        from msrest.authentication import CognitiveServicesCredentials

        self._models = models
        self.client = package.PersonalizerClient(server.endpoint, CognitiveServicesCredentials(server.key))
        if server.certificate:
            self.client.config.connection.verify = server.certificate
        self.client.config.retry_policy.policy.total = 0

    def rank(self, request):
        wanted = self._models.RankRequest(
            actions=[self._models.RankableAction(**action) for action in request["actions"]],
            context_features=request.get("contextFeatures"),
            excluded_actions=request.get("excludedActions"),
            event_id=request.get("eventId"),
            defer_activation=request.get("deferActivation"),
        )
        with self._refusals():
            answer = self.client.rank(wanted)
        return {
            "ranking": [{"id": action.id, "probability": action.probability} for action in answer.ranking],
            "eventId": answer.event_id,
            "rewardActionId": answer.reward_action_id,
        }

    def reward(self, event_id, value):
        with self._refusals():
            return self.client.events.reward(event_id, value)

    def activate(self, event_id):
        with self._refusals():
            return self.client.events.activate(event_id)

    @contextlib.contextmanager
    def _refusals(self):
        from msrest.exceptions import HttpOperationError

        try:
            yield
        except self._models.ErrorResponseException as error:
            found = error.error.error
            raise Refused(
                "ErrorResponseException", error.response.status_code, found.code, found.message
            ) from None
        except HttpOperationError as error:
            # Its reward and activate do not say what a refusal looks like; the answer does.
            found = json.loads(error.response.text)["error"]
            kind = type(error).__name__
            raise Refused(kind, error.response.status_code, found["code"], found["message"]) from None

    def close(self):
        self.client.close()


class Ai:
    """PyPI azure-ai-personalizer: every operation of 2022-09-01-preview."""

    def __init__(self, server, credential=None):
        package = pytest.importorskip("azure.ai.personalizer")
        from azure.core.credentials import AzureKeyCredential

        credential = credential or AzureKeyCredential(server.key)
        options = {"retry_total": 0}
        if server.certificate:
            options["connection_verify"] = server.certificate
        self.client = package.PersonalizerClient(server.endpoint, credential, **options)
        self.administration = package.PersonalizerAdministrationClient(server.endpoint, credential, **options)

    def rank(self, request):
        return self._call(self.client.rank, request)

    def reward(self, event_id, value):
        return self._call(self.client.reward, event_id, {"value": value})

    def activate(self, event_id):
        return self._call(self.client.activate, event_id)

    def rank_slots(self, request):
        return self._call(self.client.rank_multi_slot, request)

    def reward_slots(self, event_id, rewards):
        return self._call(self.client.reward_multi_slot, event_id, {"reward": rewards})

    def activate_slots(self, event_id):
        return self._call(self.client.activate_multi_slot, event_id)

    def configuration(self):
        return self._call(self.administration.get_service_configuration)

    def configure(self, configuration):
        return self._call(self.administration.update_service_configuration, configuration)

    def policy(self):
        return self._call(self.administration.get_policy)

    def change_policy(self, policy):
        return self._call(self.administration.update_policy, policy)

    def reset_policy(self):
        return self._call(self.administration.reset_policy)

    def model(self, signed=False):
        return b"".join(self._call(self.administration.export_model, signed=signed))

    def import_model(self, data):
        return self._call(self.administration.import_model, data)

    def reset_model(self):
        return self._call(self.administration.reset_model)

    def model_properties(self):
        return self._call(self.administration.get_model_properties)

    def log_properties(self):
        return self._call(self.administration.get_log_properties)

    def delete_logs(self):
        return self._call(self.administration.delete_logs)

    def ask_evaluation(self, contract):
        evaluation_id = f"evaluation {next(_numbers)}"
        assert self._call(self.administration.create_evaluation, evaluation_id, contract) is None
        return evaluation_id

    def evaluations(self, **more):
        return self._call(lambda: list(self.administration.list_evaluations(**more)))

    def evaluation(self, evaluation_id, start="2026-01-01", end="2026-02-01", **more):
        between = {"start_time": datetime.fromisoformat(start), "end_time": datetime.fromisoformat(end)}
        return self._call(self.administration.get_evaluation, evaluation_id, **between, **more)

    def delete_evaluation(self, evaluation_id):
        return self._call(self.administration.delete_evaluation, evaluation_id)

    def apply_evaluation(self, evaluation_id, policy):
        body = {"evaluationId": evaluation_id, "policyName": policy}
        return self._call(self.administration.apply_from_evaluation, body)

    @staticmethod
    def _call(operation, *words, **more):
        from azure.core.exceptions import HttpResponseError

        try:
            return operation(*words, **more)
        except HttpResponseError as error:
            if error.response is None:
                raise
            found = error.error
            code, message = (found.code, found.message) if found else (None, None)
            raise Refused(type(error).__name__, error.status_code, code, message) from None

    def close(self):
        self.client.close()
        self.administration.close()


def no_node():
    """Return why there can be no JavaScript client; none: there can."""
    if shutil.which("node") is None:
        return "node is not on this machine"
    if not (HERE / "node_modules").is_dir():
        return "the JavaScript packages are not here: npm ci --prefix tests/clients"
    return None


class Node:
    """A process of node in which one of the JavaScript packages runs."""

    def __init__(self, script, certificate=None):
        if reason := no_node():
            pytest.skip(reason)
        trust = {"NODE_EXTRA_CA_CERTS": certificate} if certificate else {}
        self._process = subprocess.Popen(
            ["node", str(HERE / "node" / script)],
            env={**os.environ, **trust},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **call):
        guard = threading.Timer(HANG, self._process.kill)
        guard.start()
        try:
            self._process.stdin.write(json.dumps(call) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            guard.cancel()
        assert line, "node is gone"
        return json.loads(line)

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(HANG)


class JavaScript:
    """npm @azure/cognitiveservices-personalizer: Rank, Reward and Activate of v1.0."""

    def __init__(self, server, node):
        self._server, self._node = server, node

    def rank(self, request):
        return self._call("rank", request)

    def reward(self, event_id, value):
        return self._call("reward", event_id, {"value": value})

    def activate(self, event_id):
        return self._call("activate", event_id)

    def _call(self, call, *words):
        answer = self._node.ask(
            endpoint=self._server.endpoint, key=self._server.key, call=call, arguments=words
        )
        if (error := answer.get("error")) is not None:
            if error["status"] is None:
                raise AssertionError(error["message"])
            found = (error["body"] or {}).get("error", {})
            raise Refused(error["kind"], error["status"], error["code"], found.get("message"))
        return answer["result"]["body"]

    def close(self):
        pass


class JavaScriptRest:
    """npm @azure-rest/ai-personalizer: every operation of v1.1-preview.3."""

    def __init__(self, server, node, token=None):
        self._server, self._node, self._token = server, node, token

    def rank(self, request):
        return self.answered(201, call="rank", options={"body": request})["body"]

    def reward(self, event_id, value):
        self.answered(204, call="reward", words=[event_id], options={"body": {"value": value}})

    def activate(self, event_id):
        self.answered(204, call="activate", words=[event_id])

    def rank_slots(self, request):
        return self.answered(201, call="rankSlots", options={"body": request})["body"]

    def reward_slots(self, event_id, rewards):
        self.answered(204, call="rewardSlots", words=[event_id], options={"body": {"reward": rewards}})

    def activate_slots(self, event_id):
        self.answered(204, call="activateSlots", words=[event_id])

    def configuration(self):
        return self._path("get", "/configurations/service", 200)["body"]

    def configure(self, configuration):
        return self._path("put", "/configurations/service", 200, body=configuration)["body"]

    def policy(self):
        return self._path("get", "/configurations/policy", 200)["body"]

    def change_policy(self, policy):
        return self._path("put", "/configurations/policy", 200, body=policy)["body"]

    def reset_policy(self):
        return self._path("delete", "/configurations/policy", 200)["body"]

    def model(self, signed=False):
        import base64

        answer = self._path("get", "/model", 200, queryParameters={"signed": signed})
        return base64.b64decode(answer["bytes"])

    def import_model(self, data):
        import base64

        more = {"bytes": base64.b64encode(data).decode(), "contentType": "application/octet-stream"}
        self._path("put", "/model", 204, **more)

    def reset_model(self):
        self._path("delete", "/model", 204)

    def model_properties(self):
        return self._path("get", "/model/properties", 200)["body"]

    def log_properties(self):
        return self._path("get", "/logs/properties", 200)["body"]

    def delete_logs(self):
        self._path("delete", "/logs", 204)

    def ask_evaluation(self, contract):
        answer = self._path("post", "/evaluations", 201, body=contract)
        evaluation_id = answer["body"]["id"]
        location = answer["headers"]["location"]
        assert location == f"{self._server.endpoint}/personalizer/v1.1-preview.3/evaluations/{evaluation_id}"
        return evaluation_id

    def evaluations(self):
        return self._path("get", "/evaluations", 200)["body"]

    def evaluation(self, evaluation_id):
        return self.answered(200, call="evaluation", words=[evaluation_id], method="get")["body"]

    def delete_evaluation(self, evaluation_id):
        self.answered(204, call="evaluation", words=[evaluation_id], method="delete")

    def apply_evaluation(self, evaluation_id, policy):
        body = {"evaluationId": evaluation_id, "policyName": policy}
        self._path("post", "/configurations/applyFromEvaluation", 204, body=body)

    def _path(self, method, path, status, **options):
        answer = self.answered(status, call="path", words=[path], method=method, options=options)
        assert answer.get("unexpected") in {None, False}
        return answer

    def answered(self, status, **call):
        """Return an answer, which this client gives whatever its status is."""
        who = {"token": self._token} if self._token else {"key": self._server.key}
        answer = self._node.ask(endpoint=self._server.endpoint, **who, **call)
        assert "error" not in answer, answer["error"]["message"]
        found = answer["result"]
        if found["status"] != str(status):
            error = found["body"]["error"]
            raise Refused("ErrorResponse", int(found["status"]), error["code"], error["message"])
        return found

    def close(self):
        pass
