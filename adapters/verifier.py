"""Verifying segments side by side, each process with a reader and a learner of its own.

As a program, `python -m loopledger.adapters.verifier FOLDER`, it reads segments from its standard
input, one a line, and writes how far it is and what it found, one a line.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from io import BufferedRWPair
from pathlib import Path
from queue import SimpleQueue

import msgspec

from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner
from loopledger.audit.recompute import Advance
from loopledger.audit.remaking import check_segment
from loopledger.audit.segment import Segment
from loopledger.audit.verification import Findings
from loopledger.audit.verify import Runner
from loopledger.errors import LoopledgerError

_WORTH_A_PROCESS = 5_000


class _Advanced(msgspec.Struct, tag=True):
    more: int


class _Found(msgspec.Struct, tag=True):
    findings: Findings


_message = msgspec.json.Decoder(_Advanced | _Found)
_segment = msgspec.json.Decoder(Segment)


def side_by_side(folder: Path, processes: int | None = None) -> Runner:
    """Return what checks the segments of the loop in a folder, on all cores.

    Args:
        folder: The loop's folder.
        processes: How many at a time; by default one a core.

    """

    def run(segments: list[Segment], advance: Advance) -> Iterable[Findings]:
        effort = sum(segment.effort for segment in segments)
        wanted = min(processes or os.cpu_count() or 1, len(segments), effort // _WORTH_A_PROCESS + 1)
        waiting = sorted(segments, key=lambda segment: segment.effort)
        found: SimpleQueue[_Advanced | _Found | Exception | None] = SimpleQueue()
        guard = threading.Lock()

        def work() -> None:
            try:
                _converse(folder, waiting, guard, found)
            except Exception as error:  # noqa: BLE001 - it is raised again where the findings are read
                found.put(error)
            found.put(None)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(wanted)]
        for thread in threads:
            thread.start()
        return _gathered(found, wanted, advance)

    return run


def _gathered(
    found: "SimpleQueue[_Advanced | _Found | Exception | None]", running: int, advance: Advance
) -> Iterator[Findings]:
    while running:
        message = found.get()
        if isinstance(message, _Advanced):
            advance(message.more)
        elif isinstance(message, _Found):
            yield message.findings
        elif isinstance(message, Exception):
            raise message
        else:
            running -= 1


def _converse(
    folder: Path,
    waiting: list[Segment],
    guard: threading.Lock,
    found: "SimpleQueue[_Advanced | _Found | Exception | None]",
) -> None:
    """Give one process segments, the largest first, until none is left."""
    command = [sys.executable, "-P", "-m", "loopledger.adapters.verifier", str(folder)]
    ours, theirs = socket.socketpair()
    with theirs:
        # In a group of its own, Ctrl-C on the terminal is not its business.
        process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), process_group=0)
    try:
        with ours, ours.makefile("rwb") as talk:
            while (segment := _take(waiting, guard)) is not None:
                _ask(segment, talk, found)
    except (OSError, EOFError, msgspec.DecodeError) as error:
        raise LoopledgerError(f"a verifying process ended with {process.wait()}") from error
    finally:
        process.wait()


def _ask(
    segment: Segment, talk: BufferedRWPair, found: "SimpleQueue[_Advanced | _Found | Exception | None]"
) -> None:
    talk.write(msgspec.json.encode(segment) + b"\n")
    talk.flush()
    message: _Advanced | _Found = _Advanced(0)
    while not isinstance(message, _Found):
        line = talk.readline()
        if not line:
            raise EOFError
        message = _message.decode(line)
        found.put(message)


def _take(waiting: list[Segment], guard: threading.Lock) -> Segment | None:
    with guard:
        return waiting.pop() if waiting else None


def main() -> None:
    """Check the segments that come in."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody waits for the findings any more
    place = in_folder(Path(sys.argv[1]))
    reader = place.store.reader()
    learner = VwLearner(workers=1)

    def say(message: _Advanced | _Found) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()

    for line in sys.stdin.buffer:
        findings = check_segment(
            reader, learner, place.checkpoints, _segment.decode(line), lambda more: say(_Advanced(more))
        )
        say(_Found(findings))
    learner.close()
    reader.close()


if __name__ == "__main__":
    main()
