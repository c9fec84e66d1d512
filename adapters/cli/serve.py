"""`loopledger serve`: Personalizer's REST API for all loops of the data folder."""

import logging
from pathlib import Path
from typing import Any

import click

from loopledger.adapters.allocator import giving_back, use_few_arenas
from loopledger.adapters.cli.config import config_option, configured
from loopledger.adapters.cli.output import as_json, print_json
from loopledger.adapters.http.config import Misconfigured, ServerConfig
from loopledger.adapters.http.lines import JsonLines
from loopledger.adapters.place import check_data_folder, loop_names
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopledgerError

_DEFAULT = ServerConfig()


@click.command
@config_option
@click.option("--port", metavar="N", help=f"The port to listen at, {_DEFAULT.port} by default; 0: any free.")
@click.option("--host", metavar="H", help=f"The address to listen at, {_DEFAULT.host} by default.")
@click.option("--certificate", metavar="FILE", help="A certificate in PEM: speak HTTPS.")
@click.option("--private-key", metavar="FILE", help="The certificate's private key in PEM.")
@click.option(
    "--trust",
    multiple=True,
    metavar="FINGERPRINT",
    help="Models that this certificate signed may be imported; its SHA-256 fingerprint.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    help=f"For requests that are under way when the server is ended, {_DEFAULT.grace:g} by default.",
)
@click.option(
    "--patience",
    metavar="SECONDS",
    help=f"For a request to come in, and for a Rank to be answered, {_DEFAULT.patience:g} by default.",
)
@click.option(
    "--most-at-once",
    metavar="N",
    help=f"Requests under way at a time, {_DEFAULT.most_at_once} by default; one more is answered with 429.",
)
@click.option("--open-loops", metavar="N", help=f"Loops open at a time, {_DEFAULT.open_loops} by default.")
@click.option(
    "--evaluations-at-once",
    metavar="N",
    help=f"Evaluations computed at a time, {_DEFAULT.evaluations_at_once} by default; others wait.",
)
@as_json
@click.pass_context
def command(ctx: click.Context, /, file: Path | None, json_: bool, **flags: Any) -> None:
    """Serve Personalizer's REST API for all loops there are.

    The key that a client sends names its loop; `loopledger keys create LOOP` makes one.
    SIGTERM ends it when what has come in is answered. What is not said here is taken from
    environment variables such as LOOPLEDGER_SERVER_PORT, then from the file that --config names;
    `loopledger config check` shows what that comes to.
    """
    try:
        server, _ = configured(ctx, file, flags)
    except Misconfigured as error:
        if all(mistake.origin.startswith("--") for mistake in error.mistakes):
            raise click.UsageError(str(error)) from None
        raise
    try:
        from loopledger.adapters.http.app import build_app  # noqa: PLC0415 - only serving needs it
        from loopledger.adapters.http.serving import Place, Times, serve  # noqa: PLC0415
    except ImportError:
        raise LoopledgerError(
            "serving needs the packages starlette, uvicorn and prometheus-client: "
            "pip install 'loopledger[http]'"
        ) from None
    use_few_arenas()
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())
    data = Path(server.data)
    check_data_folder(data)

    def ready(address: str) -> None:
        if json_:
            print_json({"address": address, "data": str(data.absolute())})
        else:
            click.echo(f"serving the loops in {data} at {address}")
        if not loop_names(data):
            # Said as the server says everything on standard error: as JSON.
            diagnostics().warning(
                f"there is no loop in {data} yet: `loopledger create` makes one, and --data says where"
            )

    app = build_app(
        data,
        trusted=server.trust,
        most_at_once=server.most_at_once,
        open_loops=server.open_loops,
        patience=server.patience,
        evaluations_at_once=server.evaluations_at_once,
    )
    certificate, private_key = (
        None if path is None else Path(path) for path in (server.certificate, server.private_key)
    )
    times = Times(server.grace, server.patience)
    with giving_back():
        serve(app, Place(server.host, server.port, certificate, private_key), times, ready)
