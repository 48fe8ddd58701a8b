"""Sources of the key ring: `VAULT_KEYS` itself, or a service that unwraps it (KMS, HSM, secrets manager).

::

    VAULT_KEYS=k2:<base64>,k1:<base64>                  the entries themselves
    VAULT_KEYS=command:/usr/bin/unwrap --ring hlapp     a program, run without a shell; its standard output is the list
    VAULT_KEYS=https://user:password@kms.internal/ring  a URL that answers GET with it (http on this machine only)

A source is read once, when a process reads its settings, so keys live in memory only. Every failure is a message of one
line. It repeats nothing of the source's output and of a URL only the host, because both may contain a secret.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from integrations.core import clock
from integrations.vault import https_source, keys

COMMAND = "command:"
TIMEOUT = 10.0  # seconds for a source to answer in
LARGEST = 64 * 1024  # bytes; a ring of a thousand keys is smaller
_SHAPE = f"<key id>:<base64 of {keys.KEY_BYTES} bytes>, …, newest first"


class SourceFailed(ValueError):
    """The key ring cannot be read. The message follows the word "VAULT_KEYS" and contains no secret."""


class Source(Protocol):
    """A source of the key ring, such as a KMS."""

    def unwrap(self) -> str:
        """The ring's entries as one text, newest first. Raises SourceFailed."""


@dataclass(frozen=True, repr=False)
class Local:
    """The entries are in the variable itself (or in the file that `VAULT_KEYS_FILE` names)."""

    text: str

    def unwrap(self) -> str:
        """The value as it is."""
        return self.text


@dataclass(frozen=True, repr=False)
class Command:
    """A program and its arguments. Its standard error is discarded: a careless script prints the key there."""

    line: str
    timeout: float = TIMEOUT

    def unwrap(self) -> str:
        """The program's standard output. Raises SourceFailed."""
        argv = self._argv()
        deadline = clock.monotonic() + self.timeout
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that a time-out also ends what the command started
            )
        except OSError as error:
            raise SourceFailed(f"names a command that does not start: {argv[0]}: {error.strerror}") from None
        with process:
            try:
                found = _read(process, deadline)
                status = process.wait(max(0.0, deadline - clock.monotonic()))
            except subprocess.TimeoutExpired:
                _kill(process)
                raise SourceFailed(f"names a command that took over {self.timeout:g} s: {argv[0]}") from None
            except BaseException:
                _kill(process)
                raise
        if status:
            raise SourceFailed(
                f"names a command that failed with status {status}: {argv[0]}: run it by hand to see why"
            )
        return _text(found, argv[0])

    def _argv(self) -> list[str]:
        try:
            argv = shlex.split(self.line)
        except ValueError:
            argv = []
        if not argv:
            raise SourceFailed(f"should name a program after {COMMAND!r}, with its quotes closed")
        return argv


@dataclass(frozen=True, repr=False)
class HttpsUrl:
    """A URL that answers with the entries. A user and password in it are sent as Basic authorization."""

    url: str
    timeout: float = TIMEOUT

    def unwrap(self) -> str:
        """The body of the response. Raises SourceFailed."""
        try:
            found = https_source.get(self.url, timeout=self.timeout, largest=LARGEST)
        except https_source.NoAnswer as error:
            raise SourceFailed(str(error)) from None
        return _text(found, "the URL")


def choose(value: str) -> Source:
    """The source that `value` of VAULT_KEYS means."""
    if value.startswith(COMMAND):
        return Command(value.removeprefix(COMMAND))
    if re.match(r"https?://", value, re.IGNORECASE):
        return HttpsUrl(value)
    return Local(value)


def read(value: str) -> list[str]:
    """The ring's entries, newest first, known to parse. Raises SourceFailed."""
    source = choose(value)
    entries = [entry for entry in re.split(r"[,\s]+", source.unwrap()) if entry]
    try:
        keys.parse(entries)
    except ValueError as error:
        if isinstance(source, Local):
            raise SourceFailed(f"should be {_SHAPE}: {error}") from None
        raise SourceFailed(f"names a source that answered, but not with {_SHAPE}") from None
    return entries


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The whole standard output. Raises TimeoutExpired, or SourceFailed when it is too long."""
    assert process.stdout is not None
    found = b""
    while len(found) <= LARGEST:
        left = max(0.0, deadline - clock.monotonic())
        if not select.select([process.stdout], [], [], left)[0]:
            raise subprocess.TimeoutExpired("", left)
        chunk = os.read(process.stdout.fileno(), LARGEST)
        if not chunk:
            return found
        found += chunk
    raise SourceFailed(f"names a command that printed over {LARGEST} bytes, which is no key ring")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it started. It is not reaped yet, so its process id is still its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(found: bytes, source: str) -> str:
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise SourceFailed(f"names a source whose answer is not text: {source}") from None
