"""Takes the screenshots of the documents: `make screenshots`. Starts a small demo of its own, and ends it.

They are of the real pages, wide and narrow, light and dark, with what the demo's agency has.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from playwright.sync_api import BrowserContext, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FIRST_LOCATION = ""  # stands for the page of the list's first location
# File, path, width and height in pixels, colour scheme.
SHOTS = (
    ("dashboard", "/admin/", 1440, 900, "light"),
    ("location", FIRST_LOCATION, 1440, 900, "light"),
    ("location-narrow", FIRST_LOCATION, 390, 844, "dark"),
)
CALM = "All calm"  # what the dashboard says once beat and workers have reported
_LOGIN = re.compile(r"operator\W+([\w-]{12,})")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def demo() -> Iterator[tuple[str, str]]:
    """A running demo: the address of its pages, and the operator's password."""
    port = free_port()
    sizes = ["--locations", "4", "--contacts", "150", "--database", "hlapp_screenshots"]
    command = [sys.executable, "manage.py", "demo", "--port", str(port), "--sandbox-port", str(free_port()), *sizes]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "160"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{port}", password(process.stdout)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def password(output: IO[str]) -> str:
    """The operator's password, which the demo prints when it serves. Raises RuntimeError when it ends before."""
    for line in output:
        if found := _LOGIN.search(line):
            return found[1]
    raise RuntimeError("the demo ended before it served")


def sign_in(context: BrowserContext, url: str, secret: str) -> None:
    """Sign in as the operator of the demo."""
    page = context.new_page()
    page.goto(f"{url}/admin/login/")
    page.fill("input[name=username]", "operator")
    page.fill("input[name=password]", secret)
    page.click("button[type=submit]")
    page.wait_for_url(f"{url}/admin/")
    while not page.get_by_text(CALM).count():
        page.wait_for_timeout(1000)
        page.reload()
    page.close()


def first_location(context: BrowserContext, url: str) -> str:
    """The path of the page of a location."""
    page = context.new_page()
    page.goto(f"{url}/admin/tenants/location/")
    path = page.locator("#result_list tbody a").first.get_attribute("href")
    page.close()
    return path or ""


def main() -> None:
    """Take all screenshots."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    IMAGES.mkdir(exist_ok=True)
    with demo() as (url, secret), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        signed_in = browser.new_context()
        sign_in(signed_in, url, secret)
        location = first_location(signed_in, url)
        for name, path, width, height, scheme in SHOTS:
            size = {"width": width, "height": height}
            context = browser.new_context(
                viewport=size, color_scheme=scheme, reduced_motion="reduce", storage_state=signed_in.storage_state()
            )
            page = context.new_page()
            page.goto(f"{url}{path or location}")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=IMAGES / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
