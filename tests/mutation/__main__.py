"""`python tests/mutation core/log/chain.py --survivors`: which changes of a module no test notices."""

import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from mutants import TESTS, Copy, NotTested, tally


def show(module, done, mutants, survived):
    if done % 50 == 0 or done == mutants:
        click.echo(f"{module}: {done} of {mutants}, {survived} survived", err=True)


@click.command
@click.argument("modules", nargs=-1, type=click.Choice(list(TESTS)), metavar="[MODULE]...")
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="So manyth only: a sample."
)
@click.option("--survivors", is_flag=True, help="Print the changes that no test noticed.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each module.")
def main(modules, every, survivors, as_json):
    """Change modules of core, one place at a time, and count the changes that their tests notice.

    Without any MODULE all are done that are known here, which takes hours.
    """
    if find_spec("cosmic_ray") is None:
        raise click.ClickException("mutants are made by cosmic-ray: pip install 'loopledger[mutation]'")
    with TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for module in modules or TESTS:
            try:
                counted = tally(copy, module, show, every)
            except NotTested as error:
                raise click.ClickException(str(error)) from None
            told = counted._asdict() | {"killed": counted.killed, "score": counted.score}
            if as_json:
                click.echo(json.dumps(told))
                continue
            left = len(counted.survivors)
            click.echo(
                f"{module}: {counted.mutants} mutants, {counted.killed} killed, {left} survived, {counted.score:.1%}"
            )
            if survivors:
                click.echo("\n\n".join(counted.survivors))


if __name__ == "__main__":
    main()
