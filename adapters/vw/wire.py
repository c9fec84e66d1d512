"""What the loop's process and a worker say to each other: a length, then MessagePack."""

import socket
import struct

import msgspec

from loopledger.learning.learner import Taught
from loopledger.policy import LearningPolicy

_LENGTH = struct.Struct("<Q")
_MOST_DESCRIPTORS = 4
_LARGEST = 1 << 36  # bytes: no model is that large


class Fold(msgspec.Struct, tag=True):
    """Learn the examples that come through the pipe.

    Attributes:
        policy: Under which to learn.
        parent: The model to start from, if any.
        what: Is learned.

    """

    policy: LearningPolicy
    parent: bytes | None
    what: Taught = "policy"


class Score(msgspec.Struct, tag=True):
    """Answer the contexts that come through the pipe.

    Attributes:
        policy: Under which the model was made.
        model: That answers.
        what: It has learned.

    """

    policy: LearningPolicy
    model: bytes
    what: Taught = "policy"


class Probe(msgspec.Struct, tag=True):
    """Try to answer with a policy and a model.

    Attributes:
        policy: To try.
        model: To try; none for a blank one.
        context: To answer for.
        expected: How many answers there should be.

    """

    policy: LearningPolicy
    model: bytes | None
    context: bytes
    expected: int


class Saved(msgspec.Struct, tag=True):
    """Say with what arguments a model was made.

    Attributes:
        policy: Of which a blank model is looked at, if no other is given.
        model: To look at.

    """

    policy: LearningPolicy | None
    model: bytes | None


class Answer(msgspec.Struct, omit_defaults=True):
    """What came of a request.

    Attributes:
        model: That was made.
        examples: That were learned, or contexts that were answered.
        counts: Of the answers to each context or slot: whole numbers of the machine, packed.
        probabilities: Those answers: 32-bit floats of the machine, packed.
        positions: Of the actions that they are for, where there are slots.
        arguments: With which a model was made.
        error: Why nothing came of it.

    """

    model: bytes = b""
    examples: int = 0
    counts: bytes = b""
    probabilities: bytes = b""
    positions: bytes = b""
    arguments: str = ""
    error: str | None = None


Request = Fold | Score | Probe | Saved

_encoder = msgspec.msgpack.Encoder()
_request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answer_decoder = msgspec.msgpack.Decoder(Answer)


class Garbled(Exception):
    """What came cannot be a message."""


def send(connection: socket.socket, message: Request | Answer, descriptors: list[int] | None = None) -> None:
    """Send a message, with file descriptors that the other side gets as its own."""
    content = _encoder.encode(message)
    length = _LENGTH.pack(len(content))
    if descriptors:
        socket.send_fds(connection, [length], descriptors)
    else:
        connection.sendall(length)
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[bytes | None, list[int]]:
    """Return the next message and what descriptors came with it; none when the other side is gone.

    Raises:
        Garbled: It says that it is larger than any message can be.

    """
    length, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, _MOST_DESCRIPTORS)
    if len(length) < _LENGTH.size:
        return None, list(descriptors)
    size: int = _LENGTH.unpack(length)[0]
    if size > _LARGEST:
        raise Garbled(f"a message of {size} bytes is announced")
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            return None, list(descriptors)
        view = view[count:]
    return bytes(content), list(descriptors)


def decode_request(message: bytes) -> Request:
    """Return a request from its bytes."""
    return _request_decoder.decode(message)


def decode_answer(message: bytes) -> Answer:
    """Return an answer from its bytes.

    Raises:
        Garbled: They are none.

    """
    try:
        return _answer_decoder.decode(message)
    except msgspec.DecodeError as error:
        raise Garbled(str(error)) from None
