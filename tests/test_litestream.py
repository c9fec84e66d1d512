"""The recipe of docs/backup.md for continuous copies, with Litestream itself."""

import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

import loopledger
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder
from loopledger.log.anchor import anchor_of

PAGE = Path(__file__).parents[1] / "docs" / "backup.md"
PROGRAM = os.environ.get("LITESTREAM") or shutil.which("litestream")
ACTIONS = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}

pytestmark = [
    pytest.mark.skipif(not PAGE.is_file(), reason="there is no documentation around these tests"),
    pytest.mark.skipif(
        not PROGRAM, reason="litestream is not here: put it on the PATH, or name it in LITESTREAM"
    ),
    pytest.mark.usefixtures("lent"),
    pytest.mark.slow,
]


@pytest.fixture
def recipe(tmp_path):
    """The configuration for one loop as the page has it, with other folders."""
    (found,) = re.findall(
        r"^```yaml\n# /etc/litestream\.yml\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert "/var/lib/loopledger/front-page/log.db" in found
    text = found.replace("/var/lib/loopledger", str(tmp_path / "data")).replace(
        "/mnt/copies", str(tmp_path / "copies")
    )
    path = tmp_path / "litestream.yml"
    path.write_text(text)
    return path


class Replicating:
    """Litestream at work; it is killed at the end, as where a machine is lost."""

    def __init__(self, recipe):
        self._process = subprocess.Popen(
            [PROGRAM, "replicate", "-config", recipe], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def copied(recipe, tmp_path, number):
    """Return the loop as Litestream gives it back, in a data folder of its own."""
    folder = tmp_path / f"new-{number}" / "front-page"
    folder.mkdir(parents=True)
    subprocess.run(
        [
            PROGRAM,
            "restore",
            "-config",
            recipe,
            "-o",
            folder / "log.db",
            tmp_path / "data" / "front-page" / "log.db",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder


def caught_up(recipe, tmp_path, head):
    """Return a copy that has all events: what was answered is there a moment later."""
    for number in itertools.count():
        folder = copied(recipe, tmp_path, number)
        with closing(in_folder(folder).store.reader()) as reader:
            if reader.head().seq == head:
                return folder
        assert number < 60
        time.sleep(0.5)
    return None


def test_the_recipe(recipe, tmp_path, vw, clock):
    settings = loopledger.Settings(model_update_frequency=0, reward_wait_time=60)
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("front-page", settings=settings)
        with Replicating(recipe):
            over = threading.Event()

            def call(caller):
                number = 0
                while not over.is_set():
                    context = {"hour": number % 5, "long": "text " * 300}
                    decision = loop.rank(context, ACTIONS, event_id=f"{caller}-{number}")
                    loop.reward(decision.event_id, 1.0, key="one")
                    number += 1

            callers = [threading.Thread(target=call, args=(caller,)) for caller in range(3)]
            for caller in callers:
                caller.start()
            # Long enough for checkpoints of both sides: of the loop's every four megabytes.
            while loop.status().events < 6_000:
                time.sleep(0.2)
            clock.advance(100)
            loop.train()
            over.set()
            for caller in callers:
                caller.join()
            head = loop.status().events
            anchor = anchor_of(loop.verify())
            assert anchor.seq == head
            folder = caught_up(recipe, tmp_path, head)
        found = LoopView("front-page", in_folder(folder), vw).verify(anchors=[anchor])
        assert found.holds, found.findings.problems
        assert found.head == head
    # With what Litestream made in it, the log opens and goes on: there and here.
    for data in (tmp_path / "data", folder.parent):
        with loopledger.open(data, clock=clock) as ledger:
            loop = ledger.loop("front-page")
            loop.rank({"hour": 1}, ACTIONS, event_id="and on it goes")
            assert loop.status().events == head + 1
            # And a backup of it is one.
            ledger.backup(data.with_name(f"{data.name}-copy"))
            ledger.restore(data.with_name(f"{data.name}-copy"), called="again", chain_only=True)


def test_a_copy_that_is_too_old_is_found_by_an_anchor(recipe, tmp_path, vw, clock):
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("front-page", settings=settings)
        with Replicating(recipe):
            for number in range(60):
                loop.rank({"hour": number}, ACTIONS, event_id=f"event-{number}")
                time.sleep(0.05)
        # The copy ends here, and the loop goes on.
        loop.rank({"hour": 1}, ACTIONS, event_id="later")
        anchor = anchor_of(loop.verify())
    found = LoopView("front-page", in_folder(copied(recipe, tmp_path, 0)), vw).verify(anchors=[anchor])
    assert "cut off: an anchor knows event 62" in found.first_problem.what
