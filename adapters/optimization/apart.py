"""Computing in a process of its own, for a loop that answers meanwhile.

In the same process it would take turns with the threads that answer, milliseconds each. This one
has the lowest priority, reads the log without writing to it, and ends with the process that began it.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from loopledger.adapters.embedding.computing import Task, computed
from loopledger.adapters.embedding.optimizing import optimized
from loopledger.adapters.place import Place, in_folder
from loopledger.adapters.scratch import Scratch
from loopledger.adapters.vw.learner import VwLearner
from loopledger.errors import LearnerFailed, LoopledgerError
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.request import EvaluationRequest
from loopledger.learning.learner import Learner
from loopledger.log.evaluation_events import Report

_PROGRAM = "loopledger.adapters.optimization.apart"
_LOWEST = 19
_LOOKS = 0.25
_SAID = 500


class _Search(msgspec.Struct, frozen=True, tag=True):
    request: EvaluationRequest


class _Task(msgspec.Struct, frozen=True, tag=True):
    task: Task


class _Errand(msgspec.Struct, frozen=True):
    folder: str
    what: _Search | _Task


class _Result(msgspec.Struct, frozen=True):
    report: Report | None = None
    error: str | None = None


def optimized_apart(folder: Path, request: EvaluationRequest, keep_on: Callable[[], None]) -> Evaluation:
    """Return what the best policy that was found would have earned.

    Args:
        folder: The loop's.
        request: What is asked, a search among it.
        keep_on: Is called several times a second; what it raises ends the search.

    Raises:
        LearnerFailed: The process went away.
        LoopledgerError: It says why it could not be done.

    """
    return cast("Evaluation", _apart(_Errand(str(folder), _Search(request)), keep_on))


def computed_apart(folder: Path, task: Task, keep_on: Callable[[], None]) -> Report | None:
    """Return the report of a task; the arguments and errors are those of `optimized_apart`."""
    return _apart(_Errand(str(folder), _Task(task)), keep_on)


def _apart(errand: _Errand, keep_on: Callable[[], None]) -> Report | None:
    with Scratch() as scratch:
        answer = scratch / "answer.json"
        with (scratch / "said").open("wb+") as said:
            # -P: the current folder must not decide what is imported.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", _PROGRAM, str(answer)],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                env={**os.environ, "TMPDIR": str(scratch)},  # what it leaves when it is ended goes with this
                start_new_session=True,  # Ctrl-C is for the program that began it
            )
            try:
                _hand_over(process, errand)
                while process.poll() is None:
                    keep_on()
                    _wait(process)
            finally:
                process.kill()
                process.wait()
                if process.stdin:
                    process.stdin.close()
            said.seek(0)
            last_words = said.read()[-_SAID:].decode(errors="replace").strip()
        if not answer.exists():
            raise LearnerFailed(f"the process that computes ended with {process.returncode}: {last_words}")
        result = msgspec.json.decode(answer.read_bytes(), type=_Result)
    if result.error is not None:
        raise LoopledgerError(result.error)
    return result.report


def _hand_over(process: "subprocess.Popen[bytes]", errand: _Errand) -> None:
    if process.stdin is None:
        raise LearnerFailed("the process that computes takes nothing")
    # Left open: that it closes tells the process that this one is gone.
    process.stdin.write(msgspec.json.encode(errand) + b"\n")
    process.stdin.flush()


def _wait(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_LOOKS)
    except subprocess.TimeoutExpired:
        return


def _end_with_the_other() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def main(answer: Path) -> None:
    """Compute what the first line of the standard input says, and write what comes of it to a file."""
    os.nice(_LOWEST)
    line = bytearray()
    while not line.endswith(b"\n"):
        read = os.read(sys.stdin.fileno(), 65536)
        if not read:
            return
        line += read
    errand = msgspec.json.decode(bytes(line), type=_Errand)
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    learner = VwLearner()
    try:
        result = _Result(report=_report(in_folder(Path(errand.folder)), learner, errand.what))
    except LoopledgerError as error:
        result = _Result(error=str(error))
    finally:
        learner.close()
    beside = answer.with_suffix(".beside")
    beside.write_bytes(msgspec.json.encode(result))
    beside.rename(answer)


def _report(place: Place, learner: Learner, what: _Search | _Task) -> Report | None:
    if isinstance(what, _Search):
        return optimized(place, learner, what.request, remember=True)
    return computed(place, learner, what.task, lambda *_: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
