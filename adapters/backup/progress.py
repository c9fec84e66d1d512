"""Progress of work in several parts."""

from loopledger.learning.training import Progress

_WHOLE = 1000


def part(progress: Progress | None, place: float, share: float) -> Progress:
    """Return what tells of a part's progress as the whole's, in thousandths.

    Args:
        progress: Is told of the whole.
        place: Where the part begins, between 0 and 1.
        share: How much of the whole it is.

    """

    def tell(done: int, total: int) -> None:
        if progress is not None and total:
            progress(round(_WHOLE * (place + share * min(done, total) / total)), _WHOLE)

    return tell
