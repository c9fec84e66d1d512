"""``/openapi.json`` and ``/docs``: what the server can do, and a page to try it. They hold nothing else."""

import secrets
from functools import lru_cache
from importlib.resources import files

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loopledger.adapters.http.description import described


async def openapi(_: Request) -> Response:
    """Return the description."""
    return Response(_openapi(), media_type="application/json")


async def docs(_: Request) -> Response:
    """Return the page. Nothing but its own script runs on it, and it talks to nobody but this server."""
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; connect-src 'self'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
    headers = {
        "content-security-policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }
    return HTMLResponse(_page().replace("NONCE", nonce), headers=headers)


@lru_cache(1)
def _openapi() -> bytes:
    return msgspec.json.encode(described())


@lru_cache(1)
def _page() -> str:
    return files("loopledger.adapters.http").joinpath("docs.html").read_text("utf-8")
