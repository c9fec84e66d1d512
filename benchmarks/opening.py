"""Opening a loop: does it get slower as the log grows?"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from history import write
from measure import Ratios, Row, seconds
from traffic import Request, requests

import loopledger

_EVENTS = (1_000, 10_000, 1_000_000)


def opening(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the time to open a long log and decide once, over that for a short one."""
    request = requests(5)[0]
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        for events in _EVENTS:
            write(Path(data), f"events-{events}", events // 2)
        ratios = {events: Ratios() for events in _EVENTS[1:]}
        for number in range(rounds * 3):
            turn = number % len(_EVENTS)
            with loopledger.open(data) as ledger:
                times = {
                    events: seconds(partial(_open_and_rank, ledger, events, request))
                    for events in (*_EVENTS[turn:], *_EVENTS[:turn])
                }
            for events, gathered in ratios.items():
                gathered.add(
                    times[events] / times[_EVENTS[0]],
                    milliseconds=times[events] * 1e3,
                    milliseconds_at_1000=times[_EVENTS[0]] * 1e3,
                )
        for events, gathered in ratios.items():
            size = Path(data, f"events-{events}", "log.db").stat().st_size
            yield gathered.row(
                "opening a loop, and a first Rank",
                "1,000 events",
                f"{events:,} events, {size / 1e6:,.0f} MB",
                at_most=1.25,
            )


def _open_and_rank(ledger: loopledger.Ledger, events: int, request: Request) -> None:
    ledger.loop(f"events-{events}").rank(request.context, request.actions)
