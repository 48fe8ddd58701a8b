from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.highlevel.oauth.grants import Grant
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import seals, store
from integrations.tokens.models import Credential
from integrations.vault import key_checks, keys
from integrations.vault.models import KeyCheckValue, RowMacKey
from tests.support import processes
from tests.support.processes import Process
from tests.tokens.conftest import empty_shelves

Ring = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def spool_directory(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A spool of the test's own, for the processes that it starts too."""
    settings.SPOOL_DIR = str(tmp_path / "spool")
    empty_shelves()
    yield tmp_path / "spool" / settings.NAMESPACE
    empty_shelves()


@pytest.fixture(autouse=True)
def nothing_sealed(request: pytest.FixtureRequest) -> None:
    """Nothing is sealed at the beginning, by the key of other tests neither, and no key is proven."""
    if {"db", "transactional_db"} & set(request.fixturenames) or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("_django_db_helper")
        RowMacKey.objects.all().delete()
        KeyCheckValue.objects.all().delete()


def entry(key_id: str, salt: str = "") -> str:
    """An entry of VAULT_KEYS. The key follows from its id; with `salt` it is another key under the same id."""
    return f"{key_id}:{base64.b64encode(hashlib.sha256((salt + key_id).encode()).digest()).decode()}"


@pytest.fixture
def ring(settings) -> Iterator[Ring]:
    """Sets VAULT_KEYS: of key ids, or of whole entries. No ring of this process is proven before or after."""

    def set_ring(*ids: str) -> list[str]:
        settings.VAULT_KEYS = [item if ":" in item else entry(item) for item in ids]
        return settings.VAULT_KEYS

    keys.prove_with(key_checks.prove)
    set_ring("k1")
    yield set_ring
    keys.prove_with(key_checks.prove)


def grant(text: str) -> Grant:
    return Grant(
        access_token=Secret(f"access-{text}"),
        refresh_token=Secret(f"refresh-{text}"),
        expires_in=86_399,
        user_type="Location",
        scopes=frozenset({"contacts.readonly"}),
    )


def make_app(client_id: str = "66a0419a0dffa47fb5f8b22f-vault001") -> App:
    app = App(name="Vault", client_id=client_id, highlevel_id=client_id.partition("-")[0], created_at=clock.now())
    app.api_url = app.marketplace_url = "http://127.0.0.1:1"
    marketplace.set_secrets(app, client_secret=Secret("client-secret-text"), shared_secret=Secret("shared-text"))
    app.save()
    return app


def make_rows(app: App, count: int) -> list[Credential]:
    """Credentials of locations loc0…, each with the pair access-locN and refresh-locN."""
    made = []
    for number in range(count):
        name = f"loc{number}"
        made.append(store.save_grant(store.location(app, name), grant(name), now=clock.now() + timedelta(seconds=1)))
    return made


def tokens(row: Credential) -> tuple[str, str]:
    row = Credential.objects.get(pk=row.pk)
    return seals.access_token(row).reveal(), seals.refresh_token(row).reveal()


@pytest.fixture
def app(ring: Ring, db: None) -> App:
    return make_app()


def spawn(*argv: str, ring: list[str]) -> Process:
    """A Python process of its own on this run's database, with this ring; its output is read by the test."""
    return processes.spawn(*argv, stderr=subprocess.PIPE, VAULT_KEYS=",".join(ring))
