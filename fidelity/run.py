"""Runs HighLevel's official SDKs against the sandbox: Python (v3) and Node (API 2.0). `make fidelity` installs both.

Each SDK exchanges a code, rotates the tokens, lists installed locations, mints a location's token, creates, reads,
changes, searches and deletes a contact, verifies a signed webhook, and takes an INSTALL and an UNINSTALL by its
middleware. Exit status 1 names the steps that failed. The
SDKs are not ours, so they are installed beside the project, and continuous integration does not need them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from integrations.sandbox.events import signing
from integrations.sandbox.options import Options
from integrations.sandbox.server.embedded import serve_in_thread

HERE = Path(__file__).resolve().parent
REDIRECT = "https://app.example.com/oauth/callback"
SCOPES = "oauth.readonly oauth.write contacts.readonly contacts.write locations.readonly"
WEBHOOK = '{"type": "ContactCreate", "locationId": "l1", "id": "c1", "firstName": "Zoë"}'
SECONDS = 120


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: its address is the answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


def installed(url: str, options: Options) -> str:
    """Consent to a bulk installation as an agency does; the code that the app gets."""
    asked = {"response_type": "code", "client_id": options.client_id, "redirect_uri": REDIRECT, "scope": SCOPES}
    address = f"{url}/v2/oauth/chooselocation?{urlencode({**asked, 'state': 's'})}".replace("+", "%20")
    with urllib.request.urlopen(address) as page:  # noqa: S310 - our own server
        text, opened = page.read().decode(), page.url
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text))
    action = re.search(r'action="([^"]*)"', text)
    if action is None:
        raise SystemExit(f"the consent page has no form: {text[:300]}")
    fields = {name: value.replace("&amp;", "&") for name, value in hidden.items()}
    body = urlencode({**fields, "action": "install", "mode": "bulk", "all_locations": "on"}).encode()
    try:
        urllib.request.build_opener(_Stay).open(urljoin(opened, action[1].replace("&amp;", "&")), body)
    except urllib.error.HTTPError as answer:
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    raise SystemExit("the consent page redirected nowhere")


def _tenants(url: str) -> dict[str, str]:
    """A location of the sandbox and its company, as a webhook names them."""
    with urllib.request.urlopen(f"{url}/sandbox/state") as answer:  # noqa: S310 - our own server
        state = json.load(answer)
    return {"locationId": min(state["locations"]), "companyId": min(state["companies"])}


def _signed(options: Options, webhook: dict[str, str]) -> dict[str, str]:
    """A webhook of the app as the sandbox sends it: its bytes, and their signature."""
    body = json.dumps({"appId": options.client_id.partition("-")[0], **webhook})
    return {"body": body, "signature": signing.signature(signing.private_key(options.seed), body.encode())}


def walk(name: str, command: list[str]) -> bool:
    """One SDK through all its steps; whether each succeeded. Prints a line for each."""
    options = Options(port=0, locations=2, contacts=5, redirect_uris=(REDIRECT,))
    with serve_in_thread(options) as sandbox:
        tenants = _tenants(sandbox.url)
        given = {
            "url": sandbox.url,
            "code": installed(sandbox.url, options),
            "redirect": REDIRECT,
            "client": options.client_id,
            "secret": options.client_secret,
            "webhook": WEBHOOK,
            "signature": signing.signature(signing.private_key(options.seed), WEBHOOK.encode()),
            "key": signing.public_key_pem(options.seed),
            "location": tenants["locationId"],
            "install": _signed(options, {"type": "INSTALL", "installType": "Location", **tenants}),
            "uninstall": _signed(options, {"type": "UNINSTALL", "locationId": tenants["locationId"]}),
        }
        done = subprocess.run(  # noqa: S603 - the interpreters that the Makefile names
            command, input=json.dumps(given), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "failed "))]
    sys.stdout.write("".join(f"{name}: {line}\n" for line in lines))
    if done.returncode or not lines:
        sys.stdout.write(f"{name}: ended with {done.returncode}: {done.stderr.strip()[-600:]}\n")
        return False
    return not any(line.startswith("failed ") for line in lines)


def main() -> int:
    """Run both; arguments are the Python interpreter and the folder with the Node package."""
    python, node = sys.argv[1:3]
    walks = [
        walk("Python SDK", [python, str(HERE / "python_sdk.py")]),
        walk("Node SDK", ["node", str(HERE / "node_sdk.cjs"), node]),
    ]
    return 0 if all(walks) else 1


if __name__ == "__main__":
    sys.exit(main())
