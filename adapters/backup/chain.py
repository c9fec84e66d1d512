"""Is a copied log what was recorded?"""

from loopledger.audit.verification import Findings
from loopledger.audit.verify import check_chain
from loopledger.learning.training import Progress
from loopledger.log.chain import Head
from loopledger.log.journal import Reader


def check_copy(reader: Reader, head: Head, progress: Progress) -> tuple[Findings, list[str]]:
    """Check the chain of a log, and return what was found, and what is wrong with its database itself.

    Args:
        reader: Of the log.
        head: Its end.
        progress: Is told of events checked, and of how many.

    """
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        progress(done, head.seq)

    findings, _ = check_chain(reader, head, advance)
    return findings, reader.faults(deep=True)
