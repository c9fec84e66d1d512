"""Checkpoints: what is kept beside the log so that nothing has to be replayed from the beginning.

All of it is a cache. Whatever is missing or does not fit the log's digests is made again.
"""

from hashlib import sha256
from typing import Protocol

import msgspec

from loopledger.errors import LogDamaged
from loopledger.log.chain import Head
from loopledger.log.events import CONTROL
from loopledger.log.journal import Reader
from loopledger.log.whole import committed_end
from loopledger.state import State, replay


class Models(Protocol):
    """Has the bytes of some model versions."""

    def load_model(self, version: int) -> bytes | None:
        """Return a version's bytes, if they are kept."""
        ...


class Checkpoints(Models, Protocol):
    """Keeps the bytes of some model versions, and the state at some seq."""

    def save_model(self, version: int, model: bytes) -> None:
        """Keep a version's bytes."""
        ...

    def drop_model(self, version: int) -> None:
        """Stop keeping a version's bytes."""
        ...

    def load_state(self) -> bytes | None:
        """Return the state that was saved last."""
        ...

    def save_state(self, state: bytes) -> None:
        """Keep a state instead of the one before."""
        ...


class _Kept(msgspec.Struct, frozen=True):
    """A saved state, with what tells whether the file is still as it was written."""

    shape: str
    sha256: str
    state: msgspec.Raw


_SHAPE = "4"
"""Changes when `evolve` comes to other states than before: one that was saved earlier is then left alone."""

_encoder = msgspec.json.Encoder()
_kept = msgspec.json.Decoder(_Kept)
_decoder = msgspec.json.Decoder(State)


def save_state(checkpoints: Checkpoints, state: State) -> None:
    """Keep a state."""
    encoded = _encoder.encode(state)
    checkpoints.save_state(_encoder.encode(_Kept(_SHAPE, sha256(encoded).hexdigest(), msgspec.Raw(encoded))))


def recover(reader: Reader, checkpoints: Checkpoints) -> State | None:
    """Return the state at the end of a log, or none if the log is empty.

    It starts from the saved state if that belongs to this log, and reads only the events since
    then that change more than the end of the log.
    """
    head = committed_end(reader)
    state = saved(reader, checkpoints)
    if state is None:
        reader.counts()  # nothing but the index of kinds says what the log adds up to: it must be whole
    after = state.seq if state else 0
    state = replay(reader.records(first=after + 1, kinds=CONTROL), state)
    if state is None:
        if head.seq:
            raise LogDamaged("the log does not begin with LoopCreated", 1)
        return None
    return msgspec.structs.replace(state, seq=head.seq, at=head.at, digest=head.digest)


def lost(kept: State | None, head: Head) -> str | None:
    """Return what the state that is kept beside a log says of its end: whether it once went further."""
    if kept is None or kept.seq <= head.seq:
        return None
    return (
        f"the log was cut off: it ends with event {head.seq}, and the state that is kept beside it knows "
        f"event {kept.seq}; put back the newest log.db, or delete state.json if an older one is wanted"
    )


def saved(reader: Reader, checkpoints: Checkpoints) -> State | None:
    """Return the state that is kept, if it can be read and belongs to this log."""
    state = kept_state(checkpoints)
    record = reader.record(state.seq) if state else None
    return state if state and record is not None and record.digest == state.digest else None


def kept_state(checkpoints: Checkpoints) -> State | None:
    """Return the state that is kept, if it can be read, whatever log it belongs to."""
    found = checkpoints.load_state()
    if found is None:
        return None
    try:
        kept = _kept.decode(found)
        if kept.shape != _SHAPE or sha256(kept.state).hexdigest() != kept.sha256:
            return None
        return _decoder.decode(kept.state)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
