"""A page of headlines whose order a loop chooses, and learns from what is read.

It asks the server as any program would: Rank when the page is shown, Reward when somebody reads.
"""

import argparse
import json
import os
import sys
from contextlib import suppress
from datetime import datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote
from urllib.request import Request, urlopen

HEADLINES = {
    "cup-final": ("The cup final is decided in the last minute", {"section": "sport", "minutes": 3}),
    "budget": ("Parliament passes the budget after a long night", {"section": "politics", "minutes": 8}),
    "storm": ("A storm is coming: what to bring indoors", {"section": "weather", "minutes": 1}),
    "museum": ("The museum shows its cellar for the first time", {"section": "culture", "minutes": 5}),
}
LONGEST = 10_000
"""Bytes of a form; ours are much shorter."""


class Loop:
    """The loop that the key names, at a server that speaks Personalizer's REST API."""

    def __init__(self, endpoint: str, key: str) -> None:
        self._base = endpoint.rstrip("/") + "/personalizer/v1.0"
        self._headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json"}

    def rank(self, context: dict[str, object]) -> dict[str, Any]:
        """Return the server's answer: which headline comes first, and the id of this decision."""
        actions = [{"id": name, "features": [features]} for name, (_, features) in HEADLINES.items()]
        return json.loads(self._post("/rank", {"contextFeatures": [context], "actions": actions}))

    def reward(self, event_id: str, value: float) -> None:
        """Say what a decision was worth."""
        self._post(f"/events/{quote(event_id, safe='')}/reward", {"value": value})

    def _post(self, path: str, body: dict[str, object]) -> bytes:
        request = Request(self._base + path, json.dumps(body).encode(), self._headers)
        with urlopen(request, timeout=2) as answer:
            return answer.read()


def page(loop: Loop, device: str) -> str:
    """Return the page: the headline that was chosen first, the others by their probability."""
    try:
        answer: dict[str, Any] = loop.rank({"device": device, "hour": datetime.now().hour})
    except OSError as error:
        # A page without its server is still a page, in an order of its own.
        print(f"not ranked: {error}", file=sys.stderr)
        answer = {"eventId": "", "rewardActionId": next(iter(HEADLINES)), "ranking": []}
    first, event_id = answer["rewardActionId"], answer["eventId"]
    probabilities = {one["id"]: one["probability"] for one in answer["ranking"]}
    order = sorted(HEADLINES, key=lambda name: (name != first, -probabilities.get(name, 0)))
    buttons = "".join(
        f'<li><button name="headline" value="{name}">{escape(HEADLINES[name][0])}</button></li>'
        for name in order
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>News</title><h1>News</h1>'
        f'<form method="post" action="/read"><input type="hidden" name="event" value="{escape(event_id)}">'
        f'<input type="hidden" name="first" value="{escape(first)}"><ol>{buttons}</ol></form>'
    )


class Visit(BaseHTTPRequestHandler):
    """Answers a browser."""

    loop: Loop

    def do_GET(self) -> None:
        if self.path != "/":
            self.send_error(404)
            return
        device = "phone" if "Mobile" in self.headers.get("User-Agent", "") else "computer"
        self._show(page(self.loop, device))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/read" or not length.isdecimal() or int(length) > LONGEST:
            self.send_error(400)
            return
        sent = {
            name: values[0]
            for name, values in parse_qs(self.rfile.read(int(length)).decode(errors="replace")).items()
        }
        read = sent.get("headline", "")
        if read not in HEADLINES:
            self.send_error(404)
            return
        if sent.get("event"):
            try:
                # The decision was which headline comes first: worth 1 if that is what was read.
                self.loop.reward(sent["event"], 1.0 if read == sent.get("first") else 0.0)
            except OSError as error:
                print(f"not rewarded: {error}", file=sys.stderr)
        title = escape(HEADLINES[read][0])
        self._show(f'<!doctype html><meta charset="utf-8"><h1>{title}</h1><p><a href="/">More news</a></p>')

    def _show(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each visit."""


def main() -> None:
    """Serve the page until it is interrupted."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=8080, help="of the page; 0: any that is free")
    options.add_argument("--endpoint", default="http://127.0.0.1:8765", help="of the server")
    chosen = options.parse_args()
    key = os.environ.get("PERSONALIZER_KEY")
    if not key:
        sys.exit("set PERSONALIZER_KEY to a key of the loop: loopledger keys create LOOP")
    Visit.loop = Loop(chosen.endpoint, key)
    with ThreadingHTTPServer(("127.0.0.1", chosen.port), Visit) as server:
        print(f"the news are at http://127.0.0.1:{server.server_port}/", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
