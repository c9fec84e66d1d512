"""What the package hands on at its front door from here."""

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.embedding.async_loop import AsyncLoop
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.ready import ready_policies, ready_policy

open = Ledger  # noqa: A001 - `loopledger.open` reads well
open_async = AsyncLedger

__all__ = [
    "AsyncLedger",
    "AsyncLoop",
    "Ledger",
    "Loop",
    "open",
    "open_async",
    "ready_policies",
    "ready_policy",
]
