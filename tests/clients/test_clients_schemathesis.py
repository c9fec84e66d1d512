"""Schemathesis, which makes requests out of the server's own description: right ones and wrong ones.

Every answer has to be one that the description names, what is wrong has to be refused, and what is
refused must have left nothing in the log.
"""

from contextlib import closing

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from loopledger.adapters.http.description import described
from loopledger.adapters.place import in_folder

UNDONE = {"501"}
# What a loop's settings and its log say of a request is no part of the description.
BEYOND = [positive_data_acceptance]
TRAINED = {"ModelTrained", "ModelPublished"}
HEADER = "Ocp-Apim-Subscription-Key"

QUICK = {
    ("post", "/personalizer/v1.1-preview.3/rank"),
    ("post", "/personalizer/v1.1-preview.3/events/{eventId}/reward"),
    ("put", "/personalizer/v1.1-preview.3/configurations/service"),
    ("get", "/personalizer/v1.1-preview.3/evaluations/{evaluationId}"),
}
OPERATIONS = [
    pytest.param(
        path, method, id=f"{method} {path}", marks=[] if (method, path) in QUICK else pytest.mark.slow
    )
    for path, methods in described()["paths"].items()
    for method, operation in methods.items()
    if method != "parameters" and "security" not in operation and not UNDONE & operation["responses"].keys()
]


@pytest.fixture(scope="module")
def description(http):
    return schemathesis.openapi.from_url(f"{http.endpoint}/openapi.json")


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


class Log:
    """The log of a loop, read beside the server."""

    def __init__(self, folder):
        self._store = in_folder(folder).store
        self._seq = 0

    def grown(self):
        """Return the kinds of events that came since this was asked last, apart from trainings."""
        with closing(self._store.reader()) as reader:
            after, self._seq = self._seq, reader.head().seq
            return reader.counts(after).keys() - TRAINED


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_server_does_what_it_says(http, new_loop, description, session, request, path, method, mode):
    name, key = new_loop(http, "learned-slots" if "multislot" in path else "learned")
    log = Log(http.data / name)
    slow = "slow" in request.keywords
    operation = description[path][method.upper()]

    @settings(
        max_examples=12 if slow else 8,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        log.grown()
        answer = case.call_and_validate(
            base_url=http.endpoint, session=session, headers={HEADER: key}, excluded_checks=BEYOND
        )
        assert answer.status_code in {*range(200, 205), *range(400, 414), 415}
        assert answer.status_code < 400 or not log.grown()

    check()


def test_it_is_the_description_that_is_served(description):
    assert description.raw_schema == described()
