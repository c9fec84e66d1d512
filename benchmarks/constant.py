"""The server's stack with nothing behind it: it reads a request and answers with a constant."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def rank(request: Request) -> Response:
    """Answer as a Rank does."""
    await request.body()
    return Response(ANSWER, 201, media_type="application/json")


if __name__ == "__main__":
    ANSWER = sys.stdin.buffer.read()
    app = Starlette(routes=[Route("/personalizer/v1.0/rank", rank, methods=["POST"])])
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
    )
