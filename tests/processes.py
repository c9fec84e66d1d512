"""Child processes that tests talk to, kill, and look after."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HANG = 60
"""Seconds after which a child counts as hung: far more than anything here takes."""


class Child:
    """A Python script in a process of its own; use it in a `with` statement, which ends it."""

    def __init__(self, script, *words):
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the child
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(script), *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self._guard = threading.Timer(HANG, self._process.kill)
        self._guard.start()

    @property
    def pid(self):
        return self._process.pid

    def line(self):
        """Return the next line that it says, in words; none when it is gone."""
        line = self._process.stdout.readline()
        return line.split() if line.endswith("\n") else []

    def rest(self):
        """Return all that it says until it ends."""
        lines = []
        while words := self.line():
            lines.append(words)
        return lines

    def kill(self):
        self._process.send_signal(signal.SIGKILL)

    def end(self):
        """Return the exit code, and what it complained of."""
        code = self._process.wait(HANG)
        self._said.seek(0)
        return code, self._said.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._guard.cancel()
        self._guard.join()
        self._process.stdout.close()
        self._said.close()


def runs(pid):
    """Tell whether a process is there and has not ended: what nobody waits for stays as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        return bool(state.strip()) and not state.startswith("Z")
    return stat.rpartition(")")[2].split()[0] != "Z"


def ended(pid, seconds=10):
    """Wait for a process that is not ours to end, and tell whether it did."""
    until = time.monotonic() + seconds
    while runs(pid):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True
