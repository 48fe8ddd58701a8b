"""The steps of the official Python SDK (`gohighlevel-api-client`), which speaks v3. Run by `fidelity.run`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

from highlevel import HighLevel  # type: ignore[import-not-found]


def ok(step: str, *, holds: bool, seen: Any = "") -> None:
    """Print whether a step did what the SDK expects."""
    print(f"ok {step}" if holds else f"failed {step}: {str(seen)[:200]}", flush=True)  # noqa: T201


async def middleware(sdk: HighLevel, given: dict[str, Any], token: dict[str, Any]) -> None:
    """The SDK's middleware: only a signed webhook is valid, and an UNINSTALL makes it forget the location's token."""
    os.environ |= {"CLIENT_ID": given["client"], "WEBHOOK_SIGNATURE_PUBLIC_KEY": given["key"]}
    location, storage, take = given["location"], sdk.session_storage, sdk.webhooks.subscribe()
    await storage.set_session(location, token)

    async def valid(body: str, signature: str) -> bool:
        headers = {"x-ghl-signature": signature} if signature else {}
        request = SimpleNamespace(method="POST", url="/", headers=headers, body=body.encode(), state=SimpleNamespace())
        await take(request)
        return bool(request.state.is_signature_valid)

    body, signature = given["uninstall"]["body"], given["uninstall"]["signature"]
    for step, changed, sent in (("another body", body + " ", signature), ("no signature", body, "")):
        refused = not await valid(changed, sent)
        ok(f"middleware, {step}", holds=refused and bool(await storage.get_access_token(location)))
    ok("middleware, INSTALL", holds=await valid(given["install"]["body"], given["install"]["signature"]))
    taken = await valid(body, signature)
    ok("middleware, UNINSTALL", holds=taken and not await storage.get_access_token(location))


async def walk(given: dict[str, Any]) -> None:
    """All steps, in order."""
    HighLevel.BASE_URL = given["url"]
    client, secret = given["client"], given["secret"]
    sdk = HighLevel(client_id=client, client_secret=secret)
    asked = {"clientId": client, "clientSecret": secret, "grantType": "authorization_code", "code": given["code"]}
    grant = await sdk.oauth.get_access_token({**asked, "redirectUri": given["redirect"], "userType": "Company"})
    ok("exchange", holds=grant.get("userType") == "Company" and bool(grant.get("refreshToken")), seen=grant)
    renewed = await sdk.oauth.refresh_token(grant["refreshToken"], client, secret, "refresh_token", "Company")
    ok("rotation", holds=renewed["refreshToken"] != grant["refreshToken"], seen=renewed.keys())
    company = renewed["companyId"]
    agency = HighLevel(client_id=client, client_secret=secret, agency_access_token=renewed["accessToken"])
    listed = await agency.oauth.get_installed_location(company, client.partition("-")[0], page_size=10)
    found = listed if isinstance(listed, dict) else listed.model_dump()
    items = found.get("items") or []
    ok("installed locations", holds=len(items) == 2, seen=found)
    location = items[0].get("_id") or items[0].get("id")
    minted = await agency.oauth.get_location_access_token({"companyId": company, "locationId": location})
    token = minted if isinstance(minted, dict) else minted.model_dump()
    ok("mint", holds=token.get("locationId") == location, seen=token.keys())
    own = HighLevel(client_id=client, client_secret=secret, location_access_token=token["accessToken"])
    body = {"locationId": location, "firstName": "Zoë", "email": "zoe@example.com"}
    contact = (await own.contacts.create_contact(body))["contact"]
    ok("create", holds=contact["firstName"] == "Zoë", seen=contact)
    changed = (await own.contacts.update_contact(contact["id"], {"firstName": "Ann"}))["contact"]
    ok("update", holds=changed["firstName"] == "Ann", seen=changed)
    read = (await own.contacts.get_contact(contact["id"]))["contact"]
    ok("read", holds=read["email"] == "zoe@example.com", seen=read)
    rows = (await own.contacts.search_contacts_advanced({"locationId": location, "pageLimit": 20}))["contacts"]
    ok("search", holds=len(rows) == 6, seen=len(rows))
    ok("delete", holds=bool(await own.contacts.delete_contact(contact["id"])))
    verify = own.webhooks.verify_ed25519_signature
    right = verify(given["webhook"], given["signature"], given["key"])
    ok("webhook", holds=right and not verify(given["webhook"] + " ", given["signature"], given["key"]))
    await middleware(HighLevel(client_id=client, client_secret=secret), given, token)


asyncio.run(walk(json.load(sys.stdin)))
