"""What the running system says about itself, apart from the log of events.

Nothing is printed unless the program that embeds loopledger configures the standard library's
logger named ``loopledger``. Feature values and keys are never said.
"""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


_logger = logging.getLogger("loopledger")
_logger.addHandler(logging.NullHandler())


def diagnostics(**context: Any) -> "BoundLogger":
    """Return a logger that says the given context with everything."""
    # Slow to import, and most programs have nothing to say.
    import structlog  # noqa: PLC0415
    from structlog.stdlib import BoundLogger  # noqa: PLC0415

    logger: BoundLogger = structlog.wrap_logger(
        _logger,
        wrapper_class=BoundLogger,
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
    )
    return logger.bind(**context)
