"""`loopledger serve`: Personalizer's REST API for all loops of the data folder."""

import logging
from pathlib import Path

import click

from loopledger.adapters.cli.output import as_json, print_json
from loopledger.adapters.http.lines import JsonLines
from loopledger.errors import LoopledgerError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--certificate", type=_FILE, help="A certificate in PEM: speak HTTPS.")
@click.option("--private-key", type=_FILE, help="The certificate's private key in PEM.")
@click.option(
    "--trust",
    multiple=True,
    metavar="FINGERPRINT",
    help="Models that this certificate signed may be imported; its SHA-256 fingerprint.",
)
@click.option(
    "--grace",
    type=click.FloatRange(1, 3600),
    default=30.0,
    show_default=True,
    help="Seconds for requests that are under way when the server is ended.",
)
@as_json
@click.pass_obj
def command(
    data: Path,
    *,
    port: int,
    host: str,
    certificate: Path | None,
    private_key: Path | None,
    trust: tuple[str, ...],
    grace: float,
    json_: bool,
) -> None:
    """Serve Personalizer's REST API for all loops of the data folder.

    The key that a client sends names its loop; `loopledger keys create LOOP` makes one.
    SIGTERM ends it when what has come in is answered.
    """
    if (certificate is None) != (private_key is None):
        raise click.UsageError("--certificate and --private-key go together")
    try:
        from loopledger.adapters.http.app import build_app  # noqa: PLC0415 - only serving needs it
        from loopledger.adapters.http.serving import Place, serve  # noqa: PLC0415
    except ImportError:
        raise LoopledgerError(
            "serving needs the packages starlette, uvicorn and prometheus-client: "
            "pip install 'loopledger[http]'"
        ) from None
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())

    def ready(address: str) -> None:
        if json_:
            print_json({"address": address, "data": str(data.absolute())})
        else:
            click.echo(f"serving the loops in {data} at {address}")

    serve(build_app(data, trusted=trust), Place(host, port, certificate, private_key), grace, ready)
