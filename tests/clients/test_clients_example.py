"""The news page of the examples ranks and rewards for real, through a server."""

import html
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from served import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "news_page.py"

pytestmark = pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are not around these tests")


def get(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


@pytest.fixture
def news(http, new_loop):
    pytest.importorskip("azure.ai.personalizer")
    name, key = new_loop(http)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLE), str(free_port())],
        env={**os.environ, "PERSONALIZER_KEY": key, "PERSONALIZER_ENDPOINT": http.endpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = process.stdout.readline().split()[-1]
        yield name, address
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_click_is_a_reward_for_what_was_shown(news, http):
    name, address = news
    pages = [get(f"{address}/?device=phone") for _ in range(5)]
    page = pages[-1]
    link = html.unescape(re.search(r'href="(/read[^"]*)"', page)[1])
    assert "on your phone" in page
    title = re.search(r"<h1><a[^>]*>(.*)</a></h1>", page)[1]
    assert title in get(address + link)
    decisions, (reward,) = http.log(name, "Ranked"), http.log(name, "Rewarded")
    assert len(decisions) == 5
    assert f"visit={reward['event_id']}&story={decisions[-1]['body']['chosen']}" in link
    assert reward["event_id"] == decisions[-1]["event_id"]
