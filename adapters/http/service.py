"""What Personalizer's service configuration holds beyond a loop's settings: kept in a file beside the log."""

from pathlib import Path

import msgspec

from loopledger.adapters.private_file import write_private
from loopledger.errors import LoopledgerError

FILE = "service.json"
"""Where it is in the loop's folder."""


class Service(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The fields that no setting of a loop stands for. Nothing is decided by them.

    Attributes:
        log_retention_days: Decisions that are older are erased; -1: none.
        model_retrain_days: Days of the log that a change of policy learns again; 0: all.
        is_inference_explainability_enabled: Whether a Rank says what the model made of each feature.
        log_mirror_enabled: Kept, and not acted on.
        log_mirror_sas_uri: The same.

    """

    log_retention_days: int = -1
    model_retrain_days: int = 0
    is_inference_explainability_enabled: bool = False
    log_mirror_enabled: bool | None = None
    log_mirror_sas_uri: str | None = None


def read_service(folder: Path, loop: str) -> Service:
    """Return what is kept beside a loop.

    Raises:
        LoopledgerError: The file cannot be read.

    """
    path = folder / loop / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Service)
    except FileNotFoundError:
        return Service()
    except (msgspec.DecodeError, UnicodeError, OSError) as error:
        raise LoopledgerError(f"{path} cannot be read: {error}; delete it to begin with defaults") from None


def write_service(folder: Path, loop: str, service: Service) -> None:
    """Keep it beside the loop; only the owner may read it, as a mirror's address holds a secret."""
    write_private(folder / loop / FILE, msgspec.json.format(msgspec.json.encode(service)))
