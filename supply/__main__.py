"""`python -m supply check|audit|refresh|sbom`: what the Makefile calls for the locked packages."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from supply import advisories, licences, lock, osv, sbom
from supply.advisories import Problem
from supply.lock import LockedPackage


def main() -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m supply", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="vulnerabilities by the committed snapshot, and licences; needs no network")
    commands.add_parser("audit", help="vulnerabilities by OSV as it is now; needs a network")
    refreshed = commands.add_parser("refresh", help="fetch the snapshot again")
    refreshed.add_argument("--from", dest="source", type=Path, metavar="PATH", help="a folder or archive of OSV files")
    written = commands.add_parser("sbom", help="write the bill of materials, CycloneDX JSON")
    written.add_argument("path", type=Path)
    written.add_argument("--all", action="store_true", help="also the packages of development and tests")
    options = parser.parse_args()
    try:
        return {"check": _check, "audit": _audit, "refresh": _refresh, "sbom": _sbom}[options.command](options)
    except (osv.FetchFailed, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _check(_: argparse.Namespace) -> int:
    locked, rules = lock.read(), advisories.allowed()
    found = advisories.check(locked, advisories.load(), rules.get("vulnerability", []), _today())
    return _report([*found, *licences.check(_names(locked), rules)])


def _audit(_: argparse.Namespace) -> int:
    locked, rules = lock.read(), advisories.allowed()
    now = osv.snapshot(_names(locked), osv.from_api(_names(locked)), _today())
    return _report(advisories.check(locked, now, rules.get("vulnerability", []), _today()))


def _refresh(options: argparse.Namespace) -> int:
    locked = lock.read()
    found = osv.from_files(options.source) if options.source else osv.from_api(_names(locked))
    fresh = osv.snapshot(_names(locked), found, _today())
    advisories.SNAPSHOT.write_text(json.dumps(fresh, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(fresh['advisories'])} advisories of {len(fresh['covers'])} packages")
    return _check(options)


def _sbom(options: argparse.Namespace) -> int:
    locked = lock.read(sets=lock.SETS if options.all else ("base",))
    print(f"{sbom.write(locked, options.path)} packages in {options.path}")
    return 0


def _names(locked: Iterable[LockedPackage]) -> list[str]:
    return sorted({one.name for one in locked})


def _report(problems: Iterable[Problem]) -> int:
    found = list(problems)
    for one in found:
        print(f"{'error' if one.is_error else 'warning'}: {one.text}", file=sys.stderr)
    return int(any(one.is_error for one in found))


def _today() -> date:
    return datetime.now(UTC).date()  # noqa: TID251 - no part of the application


if __name__ == "__main__":
    sys.exit(main())
