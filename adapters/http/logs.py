"""The log of a loop, as far as Personalizer let one see it: from when to when, and deleting it."""

from datetime import timedelta

import msgspec

from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.call import NO_CONTENT, Call, Reply, json_reply
from loopledger.adapters.http.errors import Refusal


class DateRange(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """From when to when."""

    start: str
    end: str


class LogsProperties(msgspec.Struct, frozen=True, rename="camel"):
    """What is told of a log."""

    date_range: DateRange


async def get_log_properties(call: Call) -> Reply:
    """Return from when to when there is something in the log that was not erased."""
    dates = await call.loop.dates()
    if dates.first is None or dates.last is None:
        raise Refusal("LogsPropertiesNotFound")
    return json_reply(200, LogsProperties(DateRange(text(dates.first), text(dates.last))))


async def delete_logs(call: Call) -> Reply:
    """Erase contexts, choices and rewards of all decisions until now. Chain and models stay."""
    await call.loop.erase(older_than=timedelta(0))
    return NO_CONTENT
