"""VowpalWabbit's native driver, alone: what learning costs with nothing around it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from loopledger.adapters.vw.arguments import to_fold
from loopledger.errors import NotFound
from loopledger.learning.replay import version_event
from loopledger.learning.training import examples, step_of
from loopledger.log.events import ModelTrained
from loopledger.log.journal import Reader

_PROGRAM = """
import sys, time, pylibvw
begun = time.perf_counter()
workspace = pylibvw.vw(sys.argv[2:])
workspace.run_parser()
workspace.save(sys.argv[1])
workspace.finish()
print(time.perf_counter() - begun)
"""


def ready_file(reader: Reader, path: Path) -> list[str]:
    """Write everything that a log's versions learned to a file; return the arguments to learn it."""
    versions = [event for _, event in versions_of(reader)]
    with path.open("wb") as file:
        for event in versions:
            file.writelines(examples(reader, step_of(event)))
    return to_fold(versions[0].policy, None, str(path))


def native_seconds(made: Path, arguments: list[str]) -> float:
    """Return how long the driver takes to learn a file and to save the model."""
    command = [sys.executable, "-c", _PROGRAM, str(made), *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def versions_of(reader: Reader) -> Iterator[tuple[int, ModelTrained]]:
    """Yield the versions of a log that were trained, with their seqs."""
    version = 1
    while True:
        try:
            seq, event = version_event(reader, version)
        except NotFound:
            return
        if isinstance(event, ModelTrained):
            yield seq, event
        version += 1
