"""A TLS server with a certificate that nobody issued, for another host: it notes who goes on to talk to it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "other.example"
# What a client of SMTP sends before it asks for TLS, and the answers.
STARTTLS = ("220 a\r\n", "250-a\r\n250 STARTTLS\r\n", "220 go on\r\n")


@dataclass
class FalseServer:
    """`handshakes` has the outcome of each: whether the client took the certificate."""

    port: int
    certificate: Path
    handshakes: list[bool] = field(default_factory=list)


@contextmanager
def false_server(folder: Path, *, before_tls: tuple[str, ...] = ()) -> Iterator[FalseServer]:
    """The server, at 127.0.0.1. `before_tls`: lines that it answers in clear, the first one unasked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = _certificate(folder)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = FalseServer(listener.getsockname()[1], certificate)
        thread = threading.Thread(target=_serve, args=(listener, context, server, before_tls), daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _serve(listener: socket.socket, context: ssl.SSLContext, server: FalseServer, before_tls: tuple[str, ...]) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        line.settimeout(5)
        for number, answer in enumerate(before_tls):
            if number:
                line.recv(4096)
            line.sendall(answer.encode())
        try:
            with context.wrap_socket(line, server_side=True) as encrypted:
                server.handshakes.append(bool(encrypted.version()))
        except OSError:
            server.handshakes.append(False)


def _certificate(folder: Path) -> Path:
    """A file with a key and its certificate, which also signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "false.pem"
    path.write_bytes(private + built.sign(key, hashes.SHA256()).public_bytes(pem))
    return path
