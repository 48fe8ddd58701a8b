"""The development profile: a value for every variable a fresh checkout leaves unset.

Decision: only `manage.py` uses it, and only when DEBUG is true or the command is itself a development tool.
gunicorn and Celery never do: in production a missing variable stops start-up, nothing is invented.
Processes that a command starts inherit the filled environment.

`python -m hlapp.development COMMAND …` runs a tool that imports the settings
(mypy's Django plugin) without starting servers.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec
from pathlib import Path

from hlapp import embedded, project
from hlapp.embedded.home import private_directory
from hlapp.env import Env

DIRECTORY = project.directory() / ".hlapp"

DEVELOPMENT_COMMANDS = frozenset({"demo", "sandbox"})  # commands of apps that only a development run installs
DEFAULTS = {
    "DEBUG": "true",
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "ALLOWED_HOSTS": "127.0.0.1,localhost",
}
# For commands that need no server: a connection made by mistake is refused at once.
UNREACHABLE_SERVERS = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}

_KEY_BYTES = 32
_started: list[embedded.Services] = []


def prepare(
    directory: Path = DIRECTORY,
    *,
    services: bool = True,
    environ: MutableMapping[str, str] = os.environ,
) -> embedded.Services | None:
    """Fill what `environ` leaves unset. Keys and server data are kept below `directory`.

    Returns the embedded servers, for the caller to stop, or None when none were wanted. Raises EmbeddedError.
    """
    try:
        private_directory(directory)
        _fill(environ, DEFAULTS)
        _fill(environ, _generated_secrets(directory / "secrets.json"))
    except OSError as error:
        raise embedded.unusable(error, directory) from error
    if not services:
        _fill(environ, UNREACHABLE_SERVERS)
        return None
    return _serve(directory, environ)


def refusal(command: str, environ: Mapping[str, str]) -> str | None:
    """One line with the fix when a development tool lacks its extra or has a production configuration, else None.

    Production is DEBUG=false, or keys without DEBUG: a development run generates its keys itself. Raises
    ConfigurationError for a malformed DEBUG.
    """
    if command not in DEVELOPMENT_COMMANDS:
        return None
    has_keys = _is_set(environ, "SECRET_KEY") or _is_set(environ, "VAULT_KEYS")
    env = Env(environ)
    allowed = env.flag("DEBUG", default=not has_keys)
    env.check()
    if allowed and find_spec("aiohttp") is None:  # as with the wheel alone, outside of the project's .venv
        return f"{command} needs what this Python lacks: {project.installing('development', 'test.txt')}"
    if allowed:
        return None
    return f"{command} is a development tool that production leaves out: run DEBUG=true manage.py {command}"


def _serve(directory: Path, environ: MutableMapping[str, str]) -> embedded.Services | None:
    database, redis = not _is_set(environ, "DATABASE_URL"), not _is_set(environ, "REDIS_URL")
    if not (database or redis):
        return None
    running = embedded.start(directory, database=database, redis=redis)
    _started.append(running)
    urls = {"DATABASE_URL": running.database_url, "REDIS_URL": running.redis_url}
    _fill(environ, {name: url for name, url in urls.items() if url})
    return running


def restart_ended() -> list[str]:
    """Restart embedded servers that have ended; returns their names. Raises EmbeddedError."""
    return [name for services in _started for name in services.restart_ended()]


def _fill(environ: MutableMapping[str, str], values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if not _is_set(environ, name):
            environ[name] = value


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def _generated_secrets(path: Path) -> dict[str, str]:
    """Keys that are generated once. Stored rows need them, so a file that cannot be read is never replaced."""
    if not path.exists():
        _create(path, {"SECRET_KEY": secrets.token_urlsafe(50), "VAULT_KEYS": f"development:{_key()}"})
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"{path} is damaged: restore it, or remove {path.parent} to start again"
        raise embedded.EmbeddedError(message) from error
    return found


def _create(path: Path, values: Mapping[str, str]) -> None:
    """Write another file and link it: of two first runs at once one wins, and both then read the same keys."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(values, file)
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink(missing_ok=True)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


if __name__ == "__main__":
    prepare(services=False)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the developer's own command
