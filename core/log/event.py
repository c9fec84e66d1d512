"""What every event of the log has in common."""

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag=True):
    """What happened, apart from when, where in the log, and to which event id."""

    @property
    def kind(self) -> str:
        """The event's name in the log."""
        return type(self).__name__
