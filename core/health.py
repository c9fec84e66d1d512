"""What a look at a machine and its loops comes to: findings, each with a level and a way out."""

from typing import Literal

import msgspec

Level = Literal["ok", "note", "warning", "problem"]
"""How bad it is: nothing, good to know, may go wrong, is wrong."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        level: How bad it is.
        subject: What was looked at, for example ``SQLite`` or ``loop front-page``.
        found: What was found, in a sentence.
        advice: What to do about it; empty where there is nothing to do.

    """

    level: Level
    subject: str
    found: str
    advice: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """Everything that was found.

    Attributes:
        findings: In the order in which it was looked at.

    """

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; notes and warnings are none."""
        return not any(finding.level == "problem" for finding in self.findings)

    def of(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)
