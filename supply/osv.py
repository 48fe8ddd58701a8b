"""Fetches the advisories of the locked packages in the OSV format: from OSV's API, or from a folder or archive of it.

The API is that of https://osv.dev, which collects the advisories of the Python Packaging Authority and of GitHub. Names
of packages leave this machine, and nothing else. An archive is for machines without a network: OSV publishes one of all
advisories of the ecosystem PyPI.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
from packaging.utils import canonicalize_name

API = "https://api.osv.dev/v1/query"
_SECONDS = 20.0
_KEPT = ("id", "aliases", "modified", "withdrawn", "summary")
Json = dict[str, Any]


class FetchFailed(Exception):
    """The advisories could not be fetched; the text says why."""


def from_api(names: Iterable[str], url: str = API) -> list[Json]:
    """The advisories of these packages, whatever their versions. Raises FetchFailed."""
    found: dict[str, Json] = {}
    try:
        with httpx2.Client(timeout=_SECONDS) as client:
            for name in names:
                for advisory in _pages(client, url, name):
                    found[advisory["id"]] = advisory
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        raise FetchFailed(f"{url} does not answer as it should ({type(error).__name__})") from error
    return list(found.values())


def from_files(path: Path) -> list[Json]:
    """The advisories in a folder of JSON files or a zip archive of them. Raises FetchFailed."""
    try:
        return [json.loads(text) for text in _texts(path)]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise FetchFailed(f"{path} is no folder or archive of advisories ({type(error).__name__})") from error


def snapshot(names: Iterable[str], advisories: Iterable[Json], today: date) -> Json:
    """The committed form: what concerns the packages, without prose and what a comparison does not need."""
    covers = sorted({canonicalize_name(name) for name in names})
    kept = [one for advisory in advisories if (one := _trimmed(advisory, set(covers)))["affected"]]
    return {"fetched_on": today.isoformat(), "covers": covers, "advisories": sorted(kept, key=lambda one: one["id"])}


def _pages(client: httpx2.Client, url: str, name: str) -> Iterator[Json]:
    query: Json = {"package": {"name": name, "ecosystem": "PyPI"}}
    while True:
        answer = client.post(url, json=query).raise_for_status().json()
        yield from answer.get("vulns", [])
        if not answer.get("next_page_token"):
            return
        query["page_token"] = answer["next_page_token"]


def _texts(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        yield from (file.read_bytes() for file in sorted(path.glob("*.json")))
        return
    with zipfile.ZipFile(path) as archive:
        yield from (archive.read(name) for name in archive.namelist() if name.endswith(".json"))


def _trimmed(advisory: Mapping[str, Any], covers: set[str]) -> Json:
    kept: Json = {name: advisory[name] for name in _KEPT if advisory.get(name)}
    if "summary" not in kept and advisory.get("details"):
        kept["summary"] = advisory["details"].split("\n")[0][:200]
    mine = (one for one in advisory.get("affected", []) if _concerns(one, covers))
    return kept | {"affected": [_affected(one) for one in mine]}


def _concerns(affected: Mapping[str, Any], covers: set[str]) -> bool:
    package = affected["package"]
    return package.get("ecosystem") == "PyPI" and canonicalize_name(package["name"]) in covers


def _affected(affected: Mapping[str, Any]) -> Json:
    """Ranges say the same as the long list of versions, where there are any."""
    package = {name: affected["package"][name] for name in ("ecosystem", "name")}
    ranges = [one for one in affected.get("ranges", []) if one["type"] == "ECOSYSTEM"]
    return {"package": package, **({"ranges": ranges} if ranges else {"versions": affected.get("versions", [])})}
