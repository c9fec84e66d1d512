"""A server in a process of its own, as somebody would start it."""

import http.client
import json
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from types import SimpleNamespace

from click.testing import CliRunner

from loopledger.adapters.cli.main import main

HANG = 120
"""Seconds after which a server counts as hung: far more than anything here takes."""


class Server:
    """A server of a data folder on a port of this machine; use it in a `with` statement."""

    def __init__(self, folder, certificate=None, *options):
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self._said = folder / "said.log"
        self._certificate = certificate
        self._options = options
        self.port = free_port()
        self._process = None

    @property
    def endpoint(self):
        scheme = "https" if self._certificate else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def certificate(self):
        """The file of certificates that a client has to trust; none: it speaks http."""
        return str(self._certificate.certificate) if self._certificate else None

    def start(self):
        words = ["--data", self.data, "serve", "--port", self.port, *self._options]
        if self._certificate:
            words += ["--certificate", self._certificate.certificate]
            words += ["--private-key", self._certificate.private_key]
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "loopledger", *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        until = time.monotonic() + HANG
        while self._process.poll() is None and time.monotonic() < until:
            if self.healthy():
                return self
            time.sleep(0.05)
        raise AssertionError(f"the server does not come up:\n{self.said()}")

    def healthy(self):
        try:
            return self.get("/health")[0] == http.client.OK
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None):
        """Return status, headers and body of a request that no client makes."""
        request = urllib.request.Request(
            self.endpoint + path, data=body, headers=headers or {}, method=method
        )
        trusted = ssl.create_default_context(cafile=self.certificate) if self._certificate else None
        try:
            with urllib.request.urlopen(request, timeout=HANG, context=trusted) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def said(self):
        return self._said.read_text("utf-8", "replace")

    def end(self, with_signal=signal.SIGTERM):
        """Send it a signal, wait for its end, and return its exit code."""
        self._process.send_signal(with_signal)
        return self._process.wait(HANG)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def command(self, *words):
        """Return the lines of JSON that a command says about the data folder while it is served."""
        result = CliRunner().invoke(main, ["--data", str(self.data), *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def key(self, loop):
        (made,) = self.command("keys", "create", loop, "--json")
        return made["key"]

    def log(self, loop, *kinds):
        """Return the events of a loop that are on disk by now."""
        events = self.command("log", loop, "--json")
        return [event for event in events if not kinds or event["kind"] in kinds]

    def examples(self, loop):
        """Return the loop's decisions with what came for them, as Personalizer logged them, by event id."""
        lines = self.command("export", loop, "--format", "dsjson", "--include-open")
        return {line["EventId"]: line for line in lines}

    def problems(self, loop):
        """Return what `verify` finds."""
        ((found,),) = self.command("verify", loop, "--json")
        return found["findings"]["problems"]

    def loop(self, name, made):
        """Serve a copy of a loop under another name, and return a key for it."""
        shutil.copytree(made, self.data / name)
        return self.key(name)


def free_port():
    """Return a port that nobody has; it is none that the system would give to somebody else meanwhile."""
    while True:
        with socket.socket() as somewhere, suppress(OSError):
            somewhere.bind(("127.0.0.1", 10_000 + secrets.randbelow(20_000)))
            return somewhere.getsockname()[1]


def self_signed(folder):
    """Make a certificate for this machine that nobody else vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopledger's tests")])
    here = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = SimpleNamespace(certificate=folder / "certificate.pem", private_key=folder / "private-key.pem")
    files.certificate.write_bytes(certificate.public_bytes(pem))
    files.private_key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
