"""Personalizer's signed models: a zip with a model, the signer's certificate and the signature.

The signature (RSA PKCS#1 v1.5 with SHA-512, over the model's bytes) shows that the model is what
the holder of the certificate's key signed. Whose key that is, it does not show: the certificate
comes in the same zip. So somebody has to say that they trust it, by its fingerprint.
"""

import io
import zipfile
import zlib
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from loopledger.errors import InvalidRequest, LoopledgerError

MODEL, SIGNER, SIGNATURE = "model.vw", "signer.der", "sha512_signature.bin"
"""The members of a signed model."""

_LARGEST = {MODEL: 512 * 1_048_576, SIGNER: 65_536, SIGNATURE: 4_096}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class Certificate(msgspec.Struct, frozen=True):
    """Who signed, as the certificate has it.

    Attributes:
        subject: Its name.
        issuer: Who vouches for it.
        begins: From when it was valid.
        ends: Until when it was valid; signing happened before.
        fingerprint: SHA-256 of the certificate, in hexadecimal digits.

    """

    subject: str
    issuer: str
    begins: datetime
    ends: datetime
    fingerprint: str

    def __str__(self) -> str:
        valid = f"valid {self.begins:%Y-%m-%d} to {self.ends:%Y-%m-%d}"
        return f"{self.subject}, issued by {self.issuer}, {valid}, SHA-256 fingerprint {self.fingerprint}"


class SignedModel(msgspec.Struct, frozen=True):
    """A model whose signature holds.

    Attributes:
        model: Its bytes.
        certificate: Of the signer.

    """

    model: bytes
    certificate: Certificate


def opened_model(data: object, trust: str | None = None) -> bytes:
    """Return a model's bytes: as they are, or out of a signed zip whose signer is trusted.

    The arguments and errors are those of `trusted_model`.
    """
    found = trusted_model(data, trust)
    return found.model if isinstance(found, SignedModel) else found


def trusted_model(data: object, trust: str | None = None) -> bytes | SignedModel:
    """Return a model as it is, or what a signed zip holds if its signer is trusted.

    Args:
        data: A model, or a zip.
        trust: The fingerprint of the signer's certificate: SHA-256, in hexadecimal digits.

    Raises:
        InvalidRequest: It is not bytes, or its signature does not hold or is not the trusted one's.

    """
    if not isinstance(data, bytes):
        raise InvalidRequest("model", f"must be a model's bytes (got {type(data).__name__})")
    if not data.startswith(_ZIP):
        if trust is not None:
            raise InvalidRequest("model", "is not signed, and trust names a signer: leave it out")
        return data
    signed = open_signed(data)
    certificate = signed.certificate
    if trust is None:
        raise InvalidRequest(
            "model",
            f"is signed by {certificate}; whether that is who should have signed, only you can tell: "
            f"if it is, import it with --trust {certificate.fingerprint}, in Python trust=",
        )
    if plain_fingerprint(trust) != certificate.fingerprint:
        raise InvalidRequest("trust", f"names another certificate than that of the model: {certificate}")
    return signed


def open_signed(data: bytes) -> SignedModel:
    """Return what a signed zip holds, once its signature is checked.

    Raises:
        InvalidRequest: It is no such zip, or the signature is not the model's.
        LoopledgerError: The package that checks signatures is not installed.

    """
    members = signed_members(data)
    certificate, key = _certificate(members[SIGNER])
    _check_signature(key, members[SIGNATURE], members[MODEL])
    return SignedModel(members[MODEL], certificate)


def signed_members(data: bytes) -> dict[str, bytes]:
    """Return the members of a signed zip, whoever signed it.

    Raises:
        InvalidRequest: It is no such zip.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: _member(archive, name) for name in (MODEL, SIGNER, SIGNATURE)}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        # RuntimeError: encrypted, or packed in a way that is not known.
        raise InvalidRequest("model", f"is a zip that cannot be read: {error}") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    count = archive.namelist().count(name)
    if count != 1:
        what = "has no" if not count else "has more than one"
        raise InvalidRequest(
            "model", f"{what} {name}: a signed model is a zip with {MODEL}, {SIGNER} and {SIGNATURE}"
        )
    most = _LARGEST[name]
    with archive.open(name) as member:
        # What the zip says of sizes need not be so.
        content = b"" if archive.getinfo(name).file_size > most else member.read(most + 1)
    if not 0 < len(content) <= most:
        raise InvalidRequest("model", f"has a {name} that is empty or has more than {most:,} bytes")
    return content


def _certificate(der: bytes) -> tuple[Certificate, Any]:
    try:
        from cryptography import x509  # noqa: PLC0415 - only signed models need it
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    except ImportError:
        raise LoopledgerError(
            "a signed model needs the cryptography package: pip install 'loopledger[signed]'"
        ) from None
    try:
        read = x509.load_der_x509_certificate(der)
        key = read.public_key()
        subject, issuer = read.subject.rfc4514_string(), read.issuer.rfc4514_string()
        begins, ends = read.not_valid_before_utc, read.not_valid_after_utc
    except Exception as error:  # noqa: BLE001 - a foreign certificate may be wrong in any way
        raise InvalidRequest("model", f"has a {SIGNER} that is no certificate: {error}") from None
    if not isinstance(key, RSAPublicKey):
        raise InvalidRequest("model", f"has a {SIGNER} without an RSA key")
    return Certificate(subject, issuer, begins, ends, sha256(der).hexdigest()), key


def _check_signature(key: Any, signature: bytes, model: bytes) -> None:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA512  # noqa: PLC0415

    try:
        key.verify(signature, model, PKCS1v15(), SHA512())
    except InvalidSignature:
        raise InvalidRequest(
            "model", "has a signature that does not hold: it was changed after it was signed"
        ) from None


def plain_fingerprint(fingerprint: object) -> str:
    """Return a fingerprint in small hexadecimal digits, without colons and spaces."""
    return "".join(str(fingerprint).replace(":", "").split()).lower()
