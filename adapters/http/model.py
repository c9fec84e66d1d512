"""The model of a loop: given out raw or signed, brought in, reset."""

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.call import BINARY, NO_CONTENT, Call, Reply, json_reply
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.versions import Version
from loopledger.adapters.model_signer import ModelSigner
from loopledger.adapters.signed_model import open_signed, signed_members
from loopledger.errors import InvalidRequest, LearnerFailed


class ModelProperties(msgspec.Struct, frozen=True, rename="camel"):
    """When the model was made, and since when it answers."""

    creation_time: str
    last_modified_time: str


_NEVER = "0001-01-01T00:00:00+00:00"


async def get_model(call: Call) -> Reply:
    """Return the model that answers: VowpalWabbit's bytes, or with ``signed=true`` a zip with a signature."""
    signed = _signed(call)
    data = (await call.loop.model()).data
    published = (await call.loop.dates()).published or 0
    if signed:
        data = await asyncio.to_thread(_signer(call).signed, data)
    at = datetime.fromtimestamp(published // 1_000_000, UTC)
    return Reply(200, data, (BINARY, (b"last-modified", format_datetime(at, usegmt=True).encode())))


async def put_model(call: Call) -> Reply:
    """Publish a signed model, if this data folder's own key signed it, or one that the server trusts."""
    fingerprint = await asyncio.to_thread(_trusted, call)
    try:
        await call.loop.import_model(call.body, trust=fingerprint)
    except LearnerFailed as error:
        raise Refusal("InvalidModelImportFormat", str(error)) from error
    return NO_CONTENT


async def delete_model(call: Call) -> Reply:
    """Go back to no model."""
    await call.loop.reset_model()
    return NO_CONTENT


async def get_model_properties(call: Call) -> Reply:
    """Return when the model was made, and since when it answers."""
    dates = await call.loop.dates()
    made, published = dates.made, dates.published
    return json_reply(
        200,
        ModelProperties(
            _NEVER if made is None or published is None else text(made),
            _NEVER if published is None else text(published),
        ),
    )


def _signed(call: Call) -> bool:
    said = call.query.get("signed", "false").lower()
    if said not in {"true", "false"}:
        raise Refusal("BadRequest", "signed: must be true or false", target="signed")
    return said == "true" and call.version >= Version.PREVIEW_3


def _signer(call: Call) -> ModelSigner:
    return ModelSigner(call.house.folder, call.house.clock)


def _trusted(call: Call) -> str:
    """Return the fingerprint of the certificate that a model is signed with, if it is trusted."""
    try:
        signed_members(call.body)
    except InvalidRequest as error:
        raise Refusal("InvalidModelImportFormat", str(error)) from None
    try:
        certificate = open_signed(call.body).certificate
    except InvalidRequest as error:
        raise Refusal("InvalidModelImportSignature", str(error)) from None
    if certificate.fingerprint not in {*call.house.trusted, _signer(call).fingerprint()}:
        raise Refusal(
            "InvalidModelImportSignature",
            f"it is signed by {certificate}; if you trust it, serve with --trust {certificate.fingerprint}",
        )
    return certificate.fingerprint
