"""Lets `manage.py` join a running demo of the same checkout: the demo publishes its environment in a file.

::

    .hlapp/<database>/lock               held (flock) by the demo while it runs
    .hlapp/<database>/environment.json   what a deployment would set, 0600, there while the demo serves

Decision: only a command without any configuration joins a demo. With one variable of a configuration, or DEBUG, no
demo is looked for. DEMO chooses when several run.
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
_LOCK_TIMEOUT = 2.0  # seconds: a command that looks for demos holds the lock for a moment
_CONFIGURATION = ("DEBUG", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "VAULT_KEYS")


@contextmanager
def running(directory: Path) -> Iterator[None]:
    """Hold the lock of the demo in this directory. Raises EmbeddedError when another demo holds it."""
    private_directory(directory)
    published = directory / _ENVIRONMENT
    with ExitStack() as held:
        try:
            held.enter_context(waiting_lock(directory / _LOCK, _LOCK_TIMEOUT))
        except EmbeddedError:
            message = f"a demo with the database {directory.name} is running: stop it, or choose another --database"
            raise EmbeddedError(message) from None
        published.unlink(missing_ok=True)  # left by a demo that was killed
        try:
            yield
        finally:
            published.unlink(missing_ok=True)


def publish(directory: Path, environment: Mapping[str, str]) -> None:
    """Write the environment that commands join with."""
    write_private(directory / _ENVIRONMENT, json.dumps(dict(environment)))


def join(directory: Path, environ: MutableMapping[str, str]) -> str | None:
    """Fill an unconfigured environment from the demo that runs below `directory`. Returns its name, or None.

    Raises ConfigurationError when several run and none is chosen, or when the one that DEMO names does not run.
    """
    wanted = environ.get("DEMO", "")
    if not wanted and is_configured(environ):
        return None
    found = _published(directory)
    if wanted and wanted not in found:
        raise ConfigurationError(f"DEMO: no demo {wanted} is running here; running: {', '.join(found) or 'none'}")
    if not wanted and len(found) > 1:
        raise ConfigurationError(f"several demos are running, choose one with DEMO=…: {', '.join(found)}")
    name = wanted or next(iter(found), None)
    if name is not None:
        _copy(found[name], environ)
    return name


def is_configured(environ: Mapping[str, str]) -> bool:
    """Whether the environment configures a deployment or chooses a demo."""
    return any(environ.get(name) or environ.get(f"{name}_FILE") for name in (*_CONFIGURATION, "DEMO"))


def _copy(found: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Replace `NAME` and `NAME_FILE` by the demo's one of them: `hlapp.env` rejects both at once."""
    for key in found:
        name = key.removesuffix("_FILE")
        for old in (name, f"{name}_FILE"):
            environ.pop(old, None)
    environ.update(found)


def _published(directory: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for published in sorted(directory.glob(f"*/{_ENVIRONMENT}")):
        try:
            if (lock := try_lock(published.parent / _LOCK)) is None:
                found[published.parent.name] = json.loads(published.read_text(encoding="utf-8"))
            else:
                lock.close()
        except (OSError, ValueError):  # owned by another user, or the demo has just ended
            continue
    return found
