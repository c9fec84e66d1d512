"""Signs models with a key pair of the data folder, as Personalizer signed those that it gave out."""

import fcntl
import io
import os
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from loopledger.adapters.private_file import write_private
from loopledger.adapters.signed_model import MODEL, SIGNATURE, SIGNER
from loopledger.clock import Clock
from loopledger.errors import LoopledgerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

FILE = "model-signing.pem"
"""Where the key pair is in the data folder."""

_YEARS = 20
_MOMENT = (1980, 1, 1, 0, 0, 0)


class ModelSigner:
    """A data folder's own signature; its key pair is made when it is first needed.

    Args:
        folder: The data folder.
        clock: Says from when the certificate holds.

    Raises:
        LoopledgerError: The package that signs is not installed, or the key cannot be read.

    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        if find_spec("cryptography") is None:
            raise LoopledgerError(
                "a signed model needs the cryptography package: pip install 'loopledger[signed]'"
            )
        self._path = folder / FILE
        self._clock = clock

    def signed(self, model: bytes) -> bytes:
        """Return a zip with a model, the certificate and the signature; the same for the same model."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA512  # noqa: PLC0415

        key, certificate = self._pair()
        signature = key.sign(model, PKCS1v15(), SHA512())
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in ((MODEL, model), (SIGNER, _der(certificate)), (SIGNATURE, signature)):
                archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
        return out.getvalue()

    def fingerprint(self) -> str:
        """Return the SHA-256 of the certificate, in hexadecimal digits."""
        return sha256(_der(self._pair()[1])).hexdigest()

    def _pair(self) -> "tuple[RSAPrivateKey, Certificate]":
        with _alone(self._path):
            if not self._path.exists():
                write_private(self._path, _made(datetime.fromtimestamp(self._clock.now() / 1_000_000, UTC)))
            return self._read()

    def _read(self) -> "tuple[RSAPrivateKey, Certificate]":
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        try:
            content = self._path.read_bytes()
            key, certificate = load_pem_private_key(content, None), x509.load_pem_x509_certificate(content)
        except (OSError, ValueError, TypeError) as error:
            raise LoopledgerError(
                f"{self._path} cannot be read: {error}; put back a copy, or delete it for a new key pair"
            ) from None
        if not isinstance(key, RSAPrivateKey):
            raise LoopledgerError(f"{self._path} holds no RSA key; delete it for a new key pair")
        return key, certificate


def put_pair(folder: Path, content: bytes) -> None:
    """Put a key pair from elsewhere into a data folder that has none."""
    path = folder / FILE
    with _alone(path):
        if not path.exists():
            write_private(path, content)


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Let others who need the key pair wait meanwhile: two who need it first must not make two."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _made(now: datetime) -> bytes:
    """Return a new key and a certificate that it signed itself, in PEM."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopledger")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=366 * _YEARS))
    )
    certificate = builder.sign(key, SHA256())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _der(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return certificate.public_bytes(Encoding.DER)
