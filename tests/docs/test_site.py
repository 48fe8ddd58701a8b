"""The documentation site is built without a warning, can be searched, and fetches nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="`make check` installs it")

ROOT = Path(__file__).resolve().parents[2]
_FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?([^\"'\s>]+)", re.IGNORECASE)
_IMPORTED = re.compile(r"url\(\s*[\"']?(https?:|//)|@import\s+[\"']?(?:https?:|//)", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: a link or an anchor that leads nowhere fails."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: PLW1510
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.mark.slow
def test_the_site_has_every_document_and_a_search(site: Path) -> None:
    documents = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    pages = {path.relative_to(site) for path in site.rglob("*.html")}
    named = {Path(str(one).replace("README.html", "index.html")) for one in documents}
    assert named | {Path("index.html"), Path("changelog.html")} <= pages
    found = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    assert any("upgrade --plan" in one["text"] for one in found)
    assert len(found) > 300


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    fetched = {url for page in site.rglob("*.html") for url in _FETCHED.findall(page.read_text(encoding="utf-8"))}
    assert [url for url in fetched if re.match(r"(?:[a-z]+:)?//", url)] == []
    sheets = [sheet for sheet in site.rglob("*.css") if _IMPORTED.search(sheet.read_text(encoding="utf-8"))]
    assert sheets == []


@pytest.mark.slow
def test_links_to_code_are_words_and_links_to_documents_lead_there(site: Path) -> None:
    architecture = (site / "architecture.html").read_text(encoding="utf-8")
    assert 'href="../integrations' not in architecture
    assert "error tree" in architecture
    assert 'href="operating.html' in (site / "index.html").read_text(encoding="utf-8")
