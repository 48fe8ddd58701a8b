"""`manage.py call OPERATION`: any operation of the API from the shell, with the right token and within quota."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.core.errors import IntegrationError
from integrations.gateway import client, media
from integrations.quota.lanes import Lane
from integrations.tenants import marketplace


class Command(BaseCommand):
    help = "Call an operation of HighLevel's API for one location or company. `catalogue list` names them all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("operation", help="contacts.get-contact, get-contact or 'GET /contacts/{contactId}'")
        tenant = parser.add_mutually_exclusive_group(required=True)
        tenant.add_argument("--location", metavar="ID")
        tenant.add_argument("--company", metavar="ID")
        parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="path, query or header")
        parser.add_argument("--body", metavar="JSON", help="JSON, @FILE, or - for standard input")
        parser.add_argument("--file", metavar="FIELD=PATH", help="upload this file as a field of a multipart body")
        parser.add_argument("--out", metavar="PATH", type=Path, help="write the answer to this file, whatever it is")
        parser.add_argument("--all-pages", action="store_true", help="one JSON line for each item of every page")
        parser.add_argument("--json", action="store_true", help="compact JSON, and errors as JSON too")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            arguments = {
                "app": marketplace.find(options["app"]),
                "location": options["location"],
                "company": options["company"],
                "params": dict(_pair(text) for text in options["param"]) or None,
                "body": _body(options["body"]),
                "lane": Lane.INTERACTIVE,
            }
            if options["all_pages"]:
                self._items(options["operation"], arguments)
            elif options["out"]:
                self._download(options["operation"], options["out"], arguments, compact=options["json"])
            else:
                self._one(options["operation"], options["file"], arguments, compact=options["json"])
        except IntegrationError as error:
            self._failed(error, as_json=options["json"])
        except OSError as error:
            raise CommandError(f"{error.strerror}: {error.filename}") from error

    def _one(self, operation: str, file: str | None, arguments: dict[str, Any], *, compact: bool) -> None:
        if file is None:
            result = client.call(operation, **arguments)
        else:
            field, path = _pair(file, "--file")
            result = media.upload(operation, Path(path), field=field, **arguments)
        if result.json is None and result.body:
            sys.stdout.buffer.write(result.body)
            return
        self.stdout.write(json.dumps(result.json, indent=None if compact else 2, ensure_ascii=False))

    def _download(self, operation: str, to: Path, arguments: dict[str, Any], *, compact: bool) -> None:
        if arguments.pop("body") is not None:
            raise CommandError("--out is for answers to requests without a body")
        done = media.download(operation, to, **arguments)
        told = {"path": str(done.path), "size": done.size, "media_type": done.media_type, "trace_id": done.trace_id}
        self.stdout.write(json.dumps(told, indent=None if compact else 2, ensure_ascii=False))

    def _items(self, operation: str, arguments: dict[str, Any]) -> None:
        for page in client.pages(operation, **arguments):
            for item in page.items:
                self.stdout.write(json.dumps(item, ensure_ascii=False))

    def _failed(self, error: IntegrationError, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"error": error.code, "message": str(error), **error.context}, default=str))
            raise SystemExit(1)
        trace, cure = error.context.get("trace_id"), error.context.get("reconnect_url")
        told = f"{error.code}: {error}" + (f" (trace id {trace})" if trace else "")
        raise CommandError(told + (f"\nto put it right: {cure}" if cure else "")) from error


def _pair(text: str, option: str = "--param") -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"{option} {text!r} is not {'NAME=VALUE' if option == '--param' else 'FIELD=PATH'}")
    return name, value


def _body(text: str | None) -> Any:
    if text is None:
        return None
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise CommandError(f"--body: {error.strerror}: {error.filename}") from error
    except ValueError as error:
        raise CommandError(f"--body is not JSON: {error}") from error
