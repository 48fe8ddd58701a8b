"""Where a running demo leaves its environment, so that `manage.py` of the same checkout can be used with it.

::

    .hlapp/<database>/lock               held (flock) by the demo: the only truth about whether it runs
    .hlapp/<database>/environment.json   what a deployment would set, 0600, there while the demo serves

Decision: only a command that was given nothing joins a demo. One variable of a configuration, or DEBUG, and it is
somebody's own: then nothing here is looked at. DEMO chooses when several run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hlapp.embedded.errors import EmbeddedError
from hlapp.embedded.home import private_directory, write_private
from hlapp.embedded.locks import try_lock, waiting_lock
from hlapp.env import ConfigurationError

_LOCK, _ENVIRONMENT = "lock", "environment.json"
_PATIENCE = 2.0  # seconds: whoever looks whether a demo runs holds the lock for a moment
_OWN = ("DEBUG", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "VAULT_KEYS")


@contextmanager
def place(directory: Path) -> Iterator[None]:
    """Be the demo of this directory meanwhile. Raises EmbeddedError when there is one."""
    private_directory(directory)
    published = directory / _ENVIRONMENT
    with ExitStack() as held:
        try:
            held.enter_context(waiting_lock(directory / _LOCK, _PATIENCE))
        except EmbeddedError:
            message = f"a demo with the database {directory.name} is running: stop it, or choose another --database"
            raise EmbeddedError(message) from None
        published.unlink(missing_ok=True)  # of one that was killed
        try:
            yield
        finally:
            published.unlink(missing_ok=True)


def publish(directory: Path, environment: Mapping[str, str]) -> None:
    """Let commands join from now on."""
    write_private(directory / _ENVIRONMENT, json.dumps(dict(environment)))


def join(directory: Path, environ: MutableMapping[str, str]) -> str | None:
    """Fill an environment that says nothing from the demo that runs below `directory`; its name, None without one.

    Raises ConfigurationError when it is not clear which, or when the one that DEMO names does not run.
    """
    wanted = environ.get("DEMO", "")
    if not wanted and is_configured(environ):
        return None
    found = _running(directory)
    if wanted and wanted not in found:
        raise ConfigurationError(f"DEMO: no demo {wanted} is running here; running: {', '.join(found) or 'none'}")
    if not wanted and len(found) > 1:
        raise ConfigurationError(f"several demos are running, choose one with DEMO=…: {', '.join(found)}")
    name = wanted or next(iter(found), None)
    if name is not None:
        _take(found[name], environ)
    return name


def is_configured(environ: Mapping[str, str]) -> bool:
    """Whether it says anything of a deployment, or chooses a demo."""
    return any(environ.get(name) or environ.get(f"{name}_FILE") for name in (*_OWN, "DEMO"))


def _take(found: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """One's own `NAME_FILE` gives way to the demo's `NAME`, and the reverse: `hlapp.env` takes no two of them."""
    for key in found:
        name = key.removesuffix("_FILE")
        for old in (name, f"{name}_FILE"):
            environ.pop(old, None)
    environ.update(found)


def _running(directory: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for published in sorted(directory.glob(f"*/{_ENVIRONMENT}")):
        try:
            if (lock := try_lock(published.parent / _LOCK)) is None:
                found[published.parent.name] = json.loads(published.read_text(encoding="utf-8"))
            else:
                lock.close()
        except (OSError, ValueError):  # another user's, or its demo has ended this moment
            continue
    return found
