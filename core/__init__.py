"""loopledger: contextual-bandit decisions that can be shown again.

A learning loop answers Rank, Reward and Activate, and keeps every decision in an append-only log
from which any model version can be rebuilt, bit for bit.

    >>> import loopledger
    >>> with loopledger.open(":memory:") as ledger:
    ...     loop = ledger.create("news")
    ...     decision = loop.rank({"device": "mobile"}, {"sports": {"long": 1}, "politics": {"long": 0}})
    ...     receipt = loop.reward(decision.event_id, 1.0)
    >>> decision.action in {"sports", "politics"}
    True
"""

if __name__ != "loopledger":
    # From the root of the sources `import core` would work too, and give a second copy of every class.
    raise ImportError(f"import loopledger, not {__name__}: install the package first (pip install -e .)")

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopledger.answers import Decision, RankedAction, Receipt, SlotDecision, SlotsDecision
from loopledger.audit.verification import Findings, Problem, Verification
from loopledger.clock import Clock, SimulatedClock
from loopledger.deciding.request import Action, Slot
from loopledger.errors import (
    BackupDamaged,
    Conflict,
    InvalidRequest,
    LearnerFailed,
    LogDamaged,
    LoopInUse,
    LoopledgerError,
    LoopStopped,
    NotFound,
    Overloaded,
    ReplayMismatch,
)
from loopledger.evaluation.outcome import SearchStanding
from loopledger.evaluation.register import Applied, EvaluationRecord
from loopledger.evaluation.report import (
    Caution,
    Estimate,
    Evaluation,
    FeatureImportance,
    FeatureScore,
    Judged,
    Point,
    Searched,
    SlotEstimate,
    Sums,
    Tried,
    Verdict,
)
from loopledger.evaluation.request import Candidate, EvaluationRequest, FeatureImportanceRequest, Search
from loopledger.health import Diagnosis, Finding
from loopledger.learning.namespaces import Namespaces, crossed
from loopledger.policy import LearningPolicy
from loopledger.reports import Entry, Model, Status
from loopledger.settings import Limits, Settings

if TYPE_CHECKING:
    from loopledger.adapters.embedding.front import (
        AsyncLedger,
        AsyncLoop,
        Ledger,
        Loop,
        open,  # noqa: A004 - `loopledger.open` reads well
        open_async,
        ready_policies,
        ready_policy,
    )

__all__ = [
    "Action",
    "Applied",
    "AsyncLedger",
    "AsyncLoop",
    "BackupDamaged",
    "Candidate",
    "Caution",
    "Clock",
    "Conflict",
    "Decision",
    "Diagnosis",
    "Entry",
    "Estimate",
    "Evaluation",
    "EvaluationRecord",
    "EvaluationRequest",
    "FeatureImportance",
    "FeatureImportanceRequest",
    "FeatureScore",
    "Finding",
    "Findings",
    "InvalidRequest",
    "Judged",
    "LearnerFailed",
    "LearningPolicy",
    "Ledger",
    "Limits",
    "LogDamaged",
    "Loop",
    "LoopInUse",
    "LoopStopped",
    "LoopledgerError",
    "Model",
    "Namespaces",
    "NotFound",
    "Overloaded",
    "Point",
    "Problem",
    "RankedAction",
    "Receipt",
    "ReplayMismatch",
    "Search",
    "SearchStanding",
    "Searched",
    "Settings",
    "SimulatedClock",
    "Slot",
    "SlotDecision",
    "SlotEstimate",
    "SlotsDecision",
    "Status",
    "Sums",
    "Tried",
    "Verdict",
    "Verification",
    "crossed",
    "open",
    "open_async",
    "ready_policies",
    "ready_policy",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Hand on the embedding adapter when it is asked for: the one line of the core that names an adapter."""
    if name in __all__:
        return getattr(import_module("loopledger.adapters.embedding.front"), name)
    raise AttributeError(f"module 'loopledger' has no attribute {name!r}")
