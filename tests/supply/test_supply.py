"""The locked packages: vulnerable versions are errors, licences are allowed by name, the SBOM has them all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import date
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

pytest.importorskip("license_expression", reason="`make check` installs what this needs, `make test` alone does not")
pytest.importorskip("cyclonedx")

from supply import advisories, licences, lock, osv, sbom
from supply.lock import LockedPackage
from tests.support.tables import check_every

TODAY = date(2026, 3, 1)
# The shape and the range of PYSEC-2024-52.
AUTHLIB = {
    "id": "PYSEC-2024-52",
    "aliases": ["CVE-2024-37568"],
    "modified": "2024-06-09T21:20:21Z",
    "details": "algorithm confusion\nmore words",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "authlib", "purl": "pkg:pypi/authlib"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.3.1"}]}],
            "versions": ["1.2.1", "1.3.0"],
        }
    ],
}


def package(name: str, version: str) -> LockedPackage:
    return LockedPackage(name, version, {"base"}, {"0" * 64})


def snapshot(*found: Any, names: tuple[str, ...] = ("authlib",), on: date = TODAY) -> dict[str, Any]:
    return osv.snapshot(names, found, on)


def said(version: str, *allowed: Any, snap: Any = None) -> list[tuple[bool, str]]:
    found = advisories.check([package("authlib", version)], snap or snapshot(AUTHLIB), allowed, TODAY)
    return [(one.is_error, one.text) for one in found]


def test_a_vulnerable_version_is_an_error_unless_it_is_allowed_for_a_time() -> None:
    assert said("1.3.1") == []
    ((is_error, text),) = said("1.3.0")
    assert is_error
    assert "authlib 1.3.0 has PYSEC-2024-52 = CVE-2024-37568: algorithm confusion;" in text
    excuse = {"id": "CVE-2024-37568", "reason": "we name the algorithm", "until": date(2026, 3, 1)}
    assert said("1.3.0", excuse) == []
    assert "was allowed until 2026-02-28" in said("1.3.0", excuse | {"until": date(2026, 2, 28)})[0][1]
    assert said("1.3.0", excuse | {"reason": " "})[0][0]
    assert said("1.3.1", excuse) == [(False, "CVE-2024-37568 is allowed and no longer needed: remove it")]
    assert said("1.3.0", snap=snapshot(AUTHLIB | {"withdrawn": "2024-07-01T00:00:00Z"})) == []


def test_an_old_an_incomplete_and_an_empty_snapshot_are_warnings() -> None:
    assert "40 days old" in said("1.3.1", snap=snapshot(AUTHLIB, on=date(2026, 1, 20)))[0][1]
    assert "lack authlib" in said("1.3.1", snap=snapshot(names=("django",)))[0][1]
    assert "no package was looked up" in said("1.3.1", snap={"fetched_on": None, "covers": [], "advisories": []})[0][1]


def test_ranges_of_versions() -> None:
    def affected(version: str, expected: bool, *events: dict[str, str], **more: Any) -> None:
        one = {
            "package": {"ecosystem": "PyPI", "name": "x"},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
            **more,
        }
        assert advisories.is_affected(version, one) is expected

    two = ({"introduced": "2.0"}, {"fixed": "2.4"}, {"introduced": "1.0"}, {"fixed": "1.5"})
    check_every(
        [
            ("0.9", False, *two),
            ("1.0", True, *two),
            ("1.5", False, *two),
            ("2.4rc1", True, *two),
            ("2.10", False, *two),
            ("3", True, {"introduced": "0"}),
            ("1.4", True, {"introduced": "0", "last_affected": "1.4"}),
            ("1.5", False, {"introduced": "0"}, {"last_affected": "1.4"}),
            ("1.0", True, {"introduced": "0"}, {"fixed": "not a version"}),
        ],
        affected,
    )
    affected("1.0", False, {"introduced": "0"}, package={"ecosystem": "npm", "name": "x"})
    affected("7.7", True, {"introduced": "9"}, versions=["7.7"])


def test_the_api_is_read_page_by_page_and_its_faults_are_one_sentence(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        asked = request.get_json()
        assert asked["package"] == {"name": "authlib", "ecosystem": "PyPI"}
        page: dict[str, Any] = {"vulns": [AUTHLIB | {"id": asked.get("page_token", "first")}]}
        return Response(json.dumps(page if "page_token" in asked else page | {"next_page_token": "second"}))

    httpserver.expect_request("/query").respond_with_handler(answer)
    found = osv.from_api(["authlib"], httpserver.url_for("/query"))
    assert [one["id"] for one in found] == ["first", "second"]
    httpserver.expect_request("/broken").respond_with_data("no JSON")
    for url in (httpserver.url_for("/broken"), httpserver.url_for("/nothing"), "http://127.0.0.1:1/"):
        with pytest.raises(osv.FetchFailed, match="does not answer as it should"):
            osv.from_api(["authlib"], url)


def test_a_folder_or_an_archive_serves_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(AUTHLIB))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "one.json", "one.json")
    kept = snapshot(*osv.from_files(tmp_path))
    assert kept == snapshot(*osv.from_files(tmp_path / "all.zip"))
    assert kept["advisories"][0]["affected"] == [
        {"package": {"ecosystem": "PyPI", "name": "authlib"}, "ranges": AUTHLIB["affected"][0]["ranges"]}  # type: ignore[index]
    ]
    assert snapshot(*osv.from_files(tmp_path), names=("django",))["advisories"] == []
    with pytest.raises(osv.FetchFailed):
        osv.from_files(tmp_path / "none.zip")


def fields(*classifiers: str, **named: str) -> Message:
    made = Message()
    for name, value in named.items():
        made[name.replace("_", "-")] = value
    for text in classifiers:
        made["Classifier"] = f"License :: OSI Approved :: {text}"
    return made


def test_licences_are_understood_and_judged() -> None:
    def judged(expected: str, allowed: bool, given: Message) -> None:
        found = licences.expression(given)
        assert (found, bool(found) and licences.permits(found, {"MIT", "BSD-3-Clause"})) == (expected, allowed)

    check_every(
        [
            ("MIT", True, fields(License_Expression="MIT")),
            ("MIT", True, fields(License="MIT License")),
            ("BSD-3-Clause", True, fields("BSD License", License="x" * 500)),
            ("GPL-3.0-only OR MIT", True, fields(License_Expression="GPL-3.0-only OR MIT")),
            ("GPL-3.0-only AND MIT", False, fields(License_Expression="GPL-3.0-only AND MIT")),
            (
                "MIT AND (GPL-2.0-only OR BSD-3-Clause)",
                True,
                fields(License_Expression="MIT AND (GPL-2.0-only OR BSD-3-Clause)"),
            ),
            ("", False, fields(License="see the file")),
            ("", False, fields()),
        ],
        judged,
    )


def test_every_installed_package_has_an_allowed_licence_and_an_exception_needs_a_reason() -> None:
    rules, names = advisories.allowed(), [one.name for one in lock.read()]
    assert licences.check(names, rules) == []
    without = {**rules, "licence_exception": [one | {"reason": ""} for one in rules["licence_exception"]]}
    assert {one.text.split()[0] for one in licences.check(names, without)} >= {"psycopg", "hypothesis"}


def test_the_lock_is_read_whole_and_refuses_what_has_no_hash(tmp_path: Path) -> None:
    names = {one.name for one in lock.read()}
    pins = re.findall(r"^([A-Za-z0-9][\w.-]*)", "\n".join(_pinned()), re.MULTILINE)
    assert names == {name.lower().replace("_", "-").replace(".", "-") for name in pins}
    assert {"base"} <= next(one.sets for one in lock.read() if one.name == "django")
    (tmp_path / "base.txt").write_text("django==5.2 \\\n    --hash=sha256:" + "0" * 64 + "\nbare==1.0\n")
    with pytest.raises(ValueError, match="without a hash: bare"):
        lock.read(tmp_path, ("base",))


def _pinned() -> Iterator[str]:
    for name in lock.SETS:
        text = (lock.ROOT / "requirements" / f"{name}.txt").read_text()
        yield from (line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#")))


@pytest.mark.slow
def test_the_sbom_has_every_package_of_production_with_hashes(tmp_path: Path) -> None:
    locked = lock.read(sets=("base",))
    assert sbom.write(locked, tmp_path / "sbom.json") == len(locked)
    written = json.loads((tmp_path / "sbom.json").read_text())
    assert (written["bomFormat"], written["specVersion"]) == ("CycloneDX", "1.6")
    components = {(one["name"], one["version"]): one for one in written["components"]}
    assert components.keys() == {(one.name, one.version) for one in locked}
    assert all(one["hashes"] for one in components.values())
    django = next(one for one in components.values() if one["name"] == "django")
    assert django["licenses"] == [{"expression": "BSD-3-Clause"}]


def supply(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "supply", *arguments]
    return subprocess.run(command, cwd=lock.ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_check_needs_no_network_and_little_time() -> None:
    started = time.monotonic()
    done = supply("check")
    assert (done.returncode, time.monotonic() - started < 10) == (0, True), done.stderr
    away = supply("refresh", "--from", "nowhere")
    assert (away.returncode, away.stderr.count("\n")) == (1, 1)


def test_hosted_actions_are_pinned_by_digest() -> None:
    texts = [path.read_text() for path in (lock.ROOT / ".github" / "workflows").glob("*.yml")]
    used = [one for text in texts for one in re.findall(r"uses:\s*(\S+)", text)]
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", one)] == []
    assert all("permissions:\n  contents: read" in text for text in texts)
