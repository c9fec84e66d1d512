"""Everything that loopledger raises on purpose: one root, few classes."""


class LoopledgerError(Exception):
    """The root of all errors that loopledger raises on purpose."""


class InvalidRequest(LoopledgerError):
    """What the caller sent cannot be used; nothing was logged and no model has changed.

    Attributes:
        field: The path of the field at fault, for example ``actions[2].features.price``.
        problem: What is wrong with it, the limit, and the way out. Never the value itself,
            which may be somebody's personal data.

    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[type["InvalidRequest"], tuple[str, str]]:
        return type(self), (self.field, self.problem)


class NotFound(LoopledgerError):
    """There is no such loop, event, model version or moment."""


class Conflict(LoopledgerError):
    """The command contradicts what the log already holds, or what has happened meanwhile."""


class Overloaded(LoopledgerError):
    """The loop has more commands waiting than it may hold; try again a little later."""


class LoopInUse(LoopledgerError):
    """Another process, or another part of this one, is the writer of this loop."""


class LoopStopped(LoopledgerError):
    """The loop was closed, or a failure stopped it or keeps it from being opened: the cause of this error."""


class LogDamaged(LoopledgerError):
    """The log does not hold what was committed to it.

    Attributes:
        seq: The first event that does not hold, where it is known.

    """

    def __init__(self, problem: str, seq: int | None = None) -> None:
        super().__init__(problem)
        self.seq = seq

    def __reduce__(self) -> tuple[type["LogDamaged"], tuple[str, int | None]]:
        return type(self), (str(self), self.seq)


class ReplayMismatch(LoopledgerError):
    """Replaying the log does not give what was recorded.

    Attributes:
        seq: The event that records it.

    """

    def __init__(self, problem: str, seq: int) -> None:
        super().__init__(problem)
        self.seq = seq

    def __reduce__(self) -> tuple[type["ReplayMismatch"], tuple[str, int]]:
        return type(self), (str(self), self.seq)


class BackupDamaged(LoopledgerError):
    """A backup does not hold what was put into it, or what it holds is no log that can be trusted."""


class LearnerFailed(LoopledgerError):
    """The learning engine refused, died, hung, or answered with something that cannot be right."""
