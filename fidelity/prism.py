"""Judges every operation of the official OpenAPI files by Prism, an independent validator. Part of `make fidelity`.

For each file of API 2.0 and v3 a Prism is HighLevel, made of that file alone. The gateway calls every operation twice:
with only the required parameters and fields, and with all of them. As a control it calls those that require something
once more without it, and Prism has to refuse that. Prints a table, each refusal with Prism's words, and a total. Exit
status 1: a refusal that `prism_faults` does not explain, a row there that explains nothing, or a Prism that does not
judge.

    HIGHLEVEL_REFERENCE=<folder with openapi/ and common/> python -m fidelity.prism <prism> <folder for copies> [FILE …]
"""

from __future__ import annotations

import sys

from bench.setup import prepare

prepare("hlapp_fidelity")

from collections import Counter  # noqa: E402 - the settings of what follows are made by prepare()
from pathlib import Path  # noqa: E402

from fidelity import prism_faults  # noqa: E402
from fidelity.prism_calls import EVERY, REQUIRED, SPOILT, Verdict, app_of, verdicts  # noqa: E402
from fidelity.prism_documents import copied  # noqa: E402
from fidelity.prism_server import mock  # noqa: E402
from integrations.highlevel.catalogue.build import files_of  # noqa: E402
from integrations.highlevel.oauth.dialects import DialectName  # noqa: E402
from tests.gateway_operations.specification import operations  # noqa: E402
from tests.sandbox.reference import REFERENCE  # noqa: E402

DIALECTS: tuple[DialectName, ...] = ("v2", "v3")


class Report:
    """The table, line by line, and what is to be said below it."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.unexplained: list[str] = []
        self.explained: list[str] = []
        self.needed: set[prism_faults.KnownFault] = set()

    def add(self, dialect: str, name: str, found: list[Verdict], mended: list[str]) -> None:
        """Count one file and print its line."""
        counts: Counter[str] = Counter()
        for verdict in found:
            counts[verdict.arguments] += 1
            counts[f"{verdict.arguments} accepted"] += not verdict.words
            if bool(verdict.words) != (verdict.arguments == SPOILT):
                self._keep(f"{dialect} {verdict.operation} ({verdict.arguments})", verdict)
        self.total += counts
        _line(dialect, name, counts)
        self.explained += [f"{dialect} {name}: fault of the file, mended for Prism: {words}" for words in mended]

    def end(self, *, whole: bool) -> bool:
        """Print the rest; whether all is well. `whole`: no file was left out."""
        _line("", "total", self.total)
        stale = [row for row in prism_faults.KNOWN if row not in self.needed] if whole else []
        self.unexplained += [f"needless row of prism_faults: {row.operation}: {row.reason}" for row in stale]
        lines = [*self.explained, *(f"UNEXPLAINED {words}" for words in self.unexplained)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return not self.unexplained

    def _keep(self, where: str, verdict: Verdict) -> None:
        """An accepted spoilt request, or a refused one that is not spoilt."""
        words = verdict.words or "accepted, although it lacks what is required"
        row = prism_faults.known(verdict.operation, verdict.words)
        if row is None:
            self.unexplained.append(f"{where}: {words}")
        else:
            self.needed.add(row)
            self.explained.append(f"{where}: fault of {row.whose}: {row.reason}. Prism: {words}")


def _line(dialect: str, name: str, counts: Counter[str]) -> None:
    accepted = [f"{counts[f'{which} accepted']:>5} of {counts[which]:<5}" for which in (REQUIRED, EVERY)]
    refused = f"{counts[SPOILT] - counts[f'{SPOILT} accepted']:>4} of {counts[SPOILT]}"
    sys.stdout.write(
        f"{dialect:<3} {name:<22} accepted: required{accepted[0]} all{accepted[1]} refused: spoilt{refused}\n"
    )
    sys.stdout.flush()


def main() -> int:
    """Judge all files, or those that are named."""
    prism, folder, chosen = Path(sys.argv[1]), Path(sys.argv[2]), set(sys.argv[3:])
    report = Report()
    for dialect in DIALECTS:
        every = operations(dialect)
        for file in files_of(REFERENCE / "openapi", dialect):
            name = file.stem.removesuffix("-v3")
            if chosen and name not in chosen:
                continue
            document, mended = copied(REFERENCE, file, folder)
            with mock(prism, document) as url:
                found = verdicts(app_of(name, dialect, url), [one for one in every if one.name == name])
                report.add(dialect, name, list(found), mended)
    if not report.total:
        sys.stdout.write(f"no OpenAPI files in {REFERENCE}/openapi: HIGHLEVEL_REFERENCE names the folder\n")
        return 1
    return 0 if report.end(whole=not chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
