"""A news page that shows what its readers like, with one of Personalizer's own clients.

Start a server and this page, and open it in a browser:

    loopledger create front-page --policy recommended
    export PERSONALIZER_KEY=$(loopledger keys create front-page)
    loopledger serve --port 8765 &
    python examples/news_page.py

It takes the packages of `pip install 'loopledger[http,clients]'`. A visit is a Rank; a click is a
reward of 1. `loopledger why front-page VISIT` says why a reader saw what they saw.
"""

import html
import os
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from azure.ai.personalizer import PersonalizerClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError

STORIES = {
    "harbour": ("The harbour gets a new bridge", {"topic": "town", "minutes": 4}),
    "final": ("City win the final on penalties", {"topic": "sports", "minutes": 3}),
    "election": ("What the election means for schools", {"topic": "politics", "minutes": 9}),
    "storm": ("A storm is on its way", {"topic": "weather", "minutes": 1}),
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The Example</title></head>
<body><p>{greeting}</p><h1><a href="{link}">{title}</a></h1>
<p><a href="/?device={device}">Another visit</a></p></body></html>
"""

client = PersonalizerClient(
    os.environ.get("PERSONALIZER_ENDPOINT", "http://127.0.0.1:8765"),
    AzureKeyCredential(os.environ["PERSONALIZER_KEY"]),
    retry_total=0,
)


class NewsPage(BaseHTTPRequestHandler):
    """Answers a visit with a story, and a click with a reward for having shown it."""

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
        if address.path == "/":
            self.visit(query.get("device", "desktop"))
        elif address.path == "/read" and {"visit", "story"} <= query.keys():
            self.read(query["visit"], query["story"])
        else:
            self.answer("There is no such page.", 404)

    def visit(self, device: str):
        actions = [{"id": name, "features": [features]} for name, (_, features) in STORIES.items()]
        try:
            found = client.rank({"contextFeatures": [{"device": device}], "actions": actions})
            story, visit = found["rewardActionId"], found["eventId"]
        except AzureError:
            # A page should not be empty because its personalization is away.
            story, visit = next(iter(STORIES)), ""
        link = "/read?" + urllib.parse.urlencode({"visit": visit, "story": story})
        words = {"title": STORIES[story][0], "link": link, "device": device}
        page = {name: html.escape(text) for name, text in words.items()}
        self.answer(PAGE.format(greeting=f"Good to see you on your {page['device']}.", **page))

    def read(self, visit: str, story: str):
        try:
            client.reward(visit, {"value": 1})
        except (AzureError, ValueError):
            self.log_message("the reward is lost")
        self.answer(html.escape(STORIES.get(story, ("A story",))[0]) + ' <a href="/">Back</a>')

    def answer(self, page: str, status: int = 200):
        content = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    server = ThreadingHTTPServer(("127.0.0.1", port), NewsPage)
    print(f"the page is at http://127.0.0.1:{port}", flush=True)
    server.serve_forever()
