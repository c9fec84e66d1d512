"""The news page of the examples, before a real server: what is read there is a reward in the log."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

import loopledger
from loopledger.adapters.http.keys import create_key

PAGE = Path(__file__).parents[1] / "examples" / "news_page" / "news_page.py"
SERVER = ("-c", "from loopledger.adapters.cli.main import main; main()")

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="there are no examples around these tests")


@pytest.fixture
def start():
    """Start a Python program and return the process and the address that it says it is at."""
    with ExitStack() as stack:

        def start(*words, **environment):
            process = subprocess.Popen(
                [sys.executable, "-W", "error", *map(str, words)],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **environment},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process, re.search(r"http://[0-9.:]+", process.stdout.readline())[0]

        yield start


def shown(address):
    """Return the headlines of a page in their order, and what else its form sends."""
    with urlopen(address, timeout=30) as answer:
        text = answer.read().decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    return re.findall(r'name="headline" value="([^"]+)"', text), hidden


def read(address, headline, hidden):
    with urlopen(
        f"{address}/read", urlencode({"headline": headline, **hidden}).encode(), timeout=30
    ) as answer:
        assert answer.status == 200


def test_what_is_read_is_a_reward(start, tmp_path):
    data = tmp_path / "data"
    with loopledger.open(data) as ledger:
        ledger.create("news")
    key = create_key(data, "news")[1]
    server, endpoint = start(*SERVER, "--data", data, "serve", "--port", "0")
    _, address = start(PAGE, "--port", "0", "--endpoint", endpoint, PERSONALIZER_KEY=key)
    events = []
    for place in (0, 2):
        headlines, hidden = shown(address)
        assert sorted(headlines) == ["budget", "cup-final", "museum", "storm"]
        assert headlines[0] == hidden["first"]
        read(address, headlines[place], hidden)
        events.append((hidden["event"], headlines[0]))
    with pytest.raises(HTTPError, match="404"):
        read(address, "nothing", {})
    server.terminate()
    assert server.wait(30) == 0
    # Without its server it is still a page.
    headlines, hidden = shown(address)
    assert (len(headlines), hidden["event"]) == (4, "")
    read(address, headlines[0], hidden)
    with loopledger.open(data) as ledger:
        loop = ledger.loop("news")
        assert [entry.event_id for entry in loop.log(kinds=["Ranked"])] == [one for one, _ in events]
        for (event_id, first), value in zip(events, (1.0, 0.0), strict=True):
            why = loop.why(event_id)
            assert [drawn.action for drawn in why.drawn] == [first]
            assert [reward.value for reward in why.came] == [value]
        assert loop.verify().holds
