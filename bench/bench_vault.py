"""Benchmark of the vault: seals and openings per second, against the bare ciphers without binding and key ring.

Bare AES-256-GCM has no key id, no binding and no type; Fernet and MultiFernet (one key and two) are what the usual
field libraries use. All work on the same token of the vendor's size; rounds are interleaved and the median counts.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import os  # noqa: E402 - the settings of what follows are made by prepare()
import secrets  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

from cryptography.fernet import Fernet, MultiFernet  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402

from integrations.core.secret import Secret  # noqa: E402
from integrations.vault.seal import Binding, seal, unseal  # noqa: E402

ROUNDS, PER_ROUND = 9, 2000
BARE = "bare AES-256-GCM (cryptography)"
TOKEN = secrets.token_urlsafe(900)  # an access token with a dozen scopes
BINDING = Binding(owner=("credential", "1", "Location", "ve9EPM428h8vShlRW1KT"), field="access_token", generation=7)

Work = Callable[[], object]


def ways() -> dict[str, tuple[Work, Work]]:
    """Functions (seal, open) by name. Each open is checked once, so that every row measures real work."""
    bare, raw = AESGCM(AESGCM.generate_key(256)), TOKEN.encode()
    fernet = Fernet(Fernet.generate_key())
    both = MultiFernet([Fernet(Fernet.generate_key()), fernet])
    nonce = os.urandom(12)
    secret, blob = Secret(TOKEN), seal(Secret(TOKEN), BINDING)
    closed, signed = bare.encrypt(nonce, raw, None), fernet.encrypt(raw)
    if not unseal(blob, BINDING) == secret or bare.decrypt(nonce, closed, None) != raw or both.decrypt(signed) != raw:
        raise RuntimeError("what was sealed does not open")
    return {
        BARE: (lambda: bare.encrypt(os.urandom(12), raw, None), lambda: bare.decrypt(nonce, closed, None)),
        "vault: bound, with its key's id": (lambda: seal(secret, BINDING), lambda: unseal(blob, BINDING)),
        "Fernet": (lambda: fernet.encrypt(raw), lambda: fernet.decrypt(signed)),
        "MultiFernet, sealed under the older of two keys": (lambda: both.encrypt(raw), lambda: both.decrypt(signed)),
    }


def rate(work: Work) -> float:
    """Operations per second."""
    start = time.perf_counter()
    for _ in range(PER_ROUND):
        work()
    return PER_ROUND / (time.perf_counter() - start)


def main() -> None:
    """Measure in interleaved rounds, and print the tables."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways()}
    for _ in range(ROUNDS):
        for name, (close, open_) in ways().items():
            found[name][0].append(rate(close))
            found[name][1].append(rate(open_))
    for index, title in enumerate(("Seal a token of 1,200 bytes", "Open it")):
        rows = [(name, statistics.median(rates[index]), "per second") for name, rates in found.items()]
        table(title, rows, base=BARE)


if __name__ == "__main__":
    main()
