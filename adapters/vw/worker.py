"""The program in which models are learned: `python -m loopledger.adapters.vw.worker FD SCRATCH`.

VowpalWabbit holds Python's global lock while it learns, and a model from outside may crash it; so
both happen here. Requests and answers go over the socket FD, joined examples over a pipe of their
own that comes with the request. It ends when the other side does, and removes the folder SCRATCH.
"""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pylibvw

from loopledger.adapters.scratch import remove
from loopledger.adapters.vw.answering import answer, answer_slots
from loopledger.adapters.vw.arguments import to_fold, to_score
from loopledger.adapters.vw.saved import saved_arguments
from loopledger.adapters.vw.scorer import VwScorer
from loopledger.adapters.vw.wire import Answer, Fold, Probe, Request, Saved, Score, receive, send
from loopledger.adapters.vw.wire import decode_request as decode
from loopledger.learning.learner import opened


def main() -> None:
    """Serve requests until the other side is gone."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    folder = Path(sys.argv[2])
    with suppress(OSError):
        _converse(connection, folder)
    remove(folder)


def _converse(connection: socket.socket, folder: Path) -> None:
    while True:
        message, descriptors = receive(connection)
        if message is None:
            return
        try:
            answer = _serve(decode(message), descriptors, folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side has to know
            answer = Answer(error=str(error) or repr(error))
        for descriptor in descriptors:
            os.close(descriptor)
        send(connection, answer)


def _serve(request: Request, descriptors: list[int], folder: Path) -> Answer:
    match request:
        case Fold():
            return _fold(request, descriptors[0], folder)
        case Score():
            return _score(request, descriptors[0])
        case Probe():
            _probe(request, folder)
            return Answer()
        case Saved():
            return _saved(request, folder)


def _fold(request: Fold, data: int, folder: Path) -> Answer:
    made = folder / "made.vw"
    parent = _written(folder / "parent.vw", request.parent)
    workspace: Any = pylibvw.vw(to_fold(request.policy, parent, f"/dev/fd/{data}", what=request.what))
    before = workspace.get_weighted_examples()
    workspace.run_parser()
    examples = workspace.get_weighted_examples() - before
    workspace.save(str(made))
    workspace.finish()
    return Answer(model=made.read_bytes(), examples=round(examples))


def _score(request: Score, data: int) -> Answer:
    scorer = VwScorer(request.policy, request.model, request.what)
    with opened(scorer), open(data, "rb", closefd=False) as lines:
        scores = (answer_slots if request.policy.multi_slot else answer)(scorer, lines)
    return Answer(
        examples=scores.contexts,
        counts=scores.counts.tobytes(),
        probabilities=scores.probabilities.tobytes(),
        positions=scores.positions.tobytes(),
    )


def _probe(request: Probe, folder: Path) -> None:
    model = _written(folder / "probed.vw", request.model)
    workspace: Any = pylibvw.vw(to_score(request.policy, model))
    examples = workspace._parse(request.context.decode())  # noqa: SLF001
    pylibvw.vw.predict_multi(workspace, examples)
    answers = (
        examples[0].get_decision_scores() if request.policy.multi_slot else examples[0].get_action_scores()
    )
    workspace._finish_example_multi_ex(examples)  # noqa: SLF001
    workspace.finish()
    if len(answers) != request.expected:
        raise ValueError(f"it answers for {len(answers)} where {request.expected} were asked")


def _saved(request: Saved, folder: Path) -> Answer:
    path = folder / "saved.vw"
    if _written(path, request.model) is None and request.policy is not None:
        workspace: Any = pylibvw.vw(to_score(request.policy, None))
        workspace.save(str(path))
        workspace.finish()
    return Answer(arguments=saved_arguments(str(path)))


def _written(path: Path, content: bytes | None) -> str | None:
    if content is None:
        return None
    path.write_bytes(content)
    return str(path)


if __name__ == "__main__":
    main()
