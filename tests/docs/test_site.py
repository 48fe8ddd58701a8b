"""The documentation site is built without a warning, can be searched, and fetches nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

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


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site as a plain web server serves it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Requests are no output of a test."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.browser
def test_pages_run_their_own_scripts_alone(site: Path, address: str, chromium_path: str) -> None:
    """Search and dark pages work under the policy that each page has, and what is added to a page does not run."""
    texts = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]
    policies = {text.count('http-equiv="Content-Security-Policy"') for text in texts if "<head" in text}
    assert policies == {1}
    with sync_playwright() as tool, tool.chromium.launch(executable_path=chromium_path) as chromium:
        page = chromium.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/operating.html?q=backup")
        page.locator("#mkdocs-search-results article").first.wait_for()
        page.locator("#mkdocs_search_modal .btn-close").click()
        page.locator("#theme-menu").click()
        page.locator("[data-bs-theme-value=dark]").click()
        assert page.locator("html").get_attribute("data-bs-theme") == "dark"
        page.goto(f"{address}/404.html")
        assert not complaints, "\n".join(complaints)
        page.evaluate(
            """() => { const one = document.createElement("script"); one.textContent = "window.hit = 1";
                       document.head.append(one) }"""
        )
        assert page.evaluate("window.hit") is None
        assert len(complaints) == 1
