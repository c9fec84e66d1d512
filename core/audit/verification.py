"""What a verification finds, and how its work is cut into pieces that can be done side by side."""

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something that does not hold.

    Attributes:
        seq: The event.
        what: What is wrong with it.

    """

    seq: int
    what: str


class Findings(msgspec.Struct, frozen=True):
    """What came out of one part of a verification.

    Attributes:
        events: Events whose chain was checked.
        versions: Model versions that were rebuilt with the same bytes.
        decisions: Decisions that were computed again with the same outcome.
        other_decisions: Decisions that were computed again with another outcome.
        erased: Events whose bodies are gone, as the log itself says.
        unchecked_versions: Versions that cannot be made again here, because another engine made
            them or one before them, or because what they learned from is erased.
        unchecked_decisions: Decisions that need a version of another engine, or are erased.
        imported_decisions: Decisions that were made elsewhere: only their labels, and what was
            learned from them, can be checked.
        problems: What does not hold.

    """

    events: int = 0
    versions: int = 0
    decisions: int = 0
    other_decisions: int = 0
    unchecked_versions: int = 0
    unchecked_decisions: int = 0
    erased: int = 0
    imported_decisions: int = 0
    problems: tuple[Problem, ...] = ()

    def plus(self, other: "Findings") -> "Findings":
        """Return both together."""
        return Findings(
            self.events + other.events,
            self.versions + other.versions,
            self.decisions + other.decisions,
            self.other_decisions + other.other_decisions,
            self.unchecked_versions + other.unchecked_versions,
            self.unchecked_decisions + other.unchecked_decisions,
            self.erased + other.erased,
            self.imported_decisions + other.imported_decisions,
            tuple(sorted({*self.problems, *other.problems})),
        )


class Verification(msgspec.Struct, frozen=True):
    """The outcome of verifying a loop.

    Attributes:
        loop: Its name.
        head: The seq of the last event.
        digest: The last event's digest, in hexadecimal digits.
        engine: What the models were rebuilt with.
        findings: What was checked and what does not hold.
        since: The first event that was checked.
        at: The time of the last event, UTC in microseconds since 1970.

    """

    loop: str
    head: int
    digest: str
    engine: str
    findings: Findings
    since: int = 1
    at: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything that could be checked holds."""
        return not self.findings.problems

    @property
    def first_problem(self) -> Problem | None:
        """The first event that does not hold."""
        return min(self.findings.problems, default=None)
