"""Management command `call OPERATION`: any API operation from the shell, with the right token and within quota.

A terminal is scrolled back and its output is piped into logs, so what is printed is without tokens, keys and passwords,
as in the explorer. A file (`--out`) has the answer as it came.

`--version` is the version of the API, as the vendor's header names it. Django's option of this name, which prints the
version of Django, is left out of this command.
"""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest, IntegrationError, QuotaExhausted, Retryable, ScopeMissing
from integrations.core.redaction import without_secrets
from integrations.gateway import call_checks, client, media, target
from integrations.gateway.call_checks import tenant_of
from integrations.gateway.client import Page, Result
from integrations.gateway.jmespath_output import ResponseSelection, lines
from integrations.gateway.support import refused_call
from integrations.gateway.support.advice_on_refusal import SupportHelp, help_with
from integrations.highlevel.catalogue.api_version import EXAMPLES
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace

_APART = (("all_pages", "file"), ("out", "file"))  # pairs of options that exclude each other
WAITS, LONGEST_WAIT = 5, 120.0  # per page of --all-pages: number of waits, and the longest one in seconds


class Command(PrintableCommand):
    """Calls one operation and prints its response, or the items of all its pages."""

    help = (
        "Call an operation of HighLevel's API for one location or company. `catalogue list` names them; "
        "any other is called by its method and path, such as 'GET /contacts/{contactId}/badges'."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """The parser, with an option `--version` of its own."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the operation, tenant, parameters and output options."""
        parser.add_argument("operation", help="contacts.get-contact, get-contact, or any 'GET /contacts/{contactId}'")
        tenant = parser.add_mutually_exclusive_group(required=True)
        tenant.add_argument("--location", metavar="ID")
        tenant.add_argument("--company", metavar="ID")
        parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        parser.add_argument(
            "--version",
            metavar="VERSION",
            help=f"of the API, the app's dialect unless given: one such as {', '.join(EXAMPLES)}",
        )
        parser.add_argument(
            "--param", action="append", default=[], metavar="NAME=VALUE", help="path, query or header; again for a list"
        )
        parser.add_argument("--body", metavar="JSON", help="JSON, @FILE, or - for standard input")
        parser.add_argument("--file", metavar="FIELD=PATH", help="upload this file as a field of a multipart body")
        parser.add_argument("--all-pages", action="store_true", help="one JSON line for each item of every page")
        parser.add_argument(
            "--field",
            metavar="EXPRESSION",
            help="print this part of the answer (of each item with --all-pages), one line for each value, columns "
            "separated by tabs: JMESPath, such as 'contacts[].email' or 'contacts[].[id, email]'",
        )
        parser.add_argument(
            "--out",
            metavar="PATH",
            type=Path,
            help="write the answer as it came, tokens included, to this file, which appears when complete",
        )
        parser.add_argument("--json", action="store_true", help="compact JSON, and errors as JSON too")
        parser.add_argument(
            "--report", action="store_true", help="if HighLevel refuses: what to do, and a report for its support"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the command. Raises CommandError for options that cannot be used together."""
        for one, other in _APART:
            if options[one] and options[other]:
                raise CommandError(f"--{one.replace('_', '-')} and --{other} cannot be used together")
        if options["out"] and options["field"] and not options["all_pages"]:
            raise CommandError("--out writes the whole answer: use --field with it only for --all-pages")
        try:
            self._run(options)
        except IntegrationError as error:
            self._failed(error, options)
        except BrokenPipeError:
            raise  # the reader closed the pipe: not an error of this command
        except OSError as error:
            raise CommandError(f"{error.strerror}: {error.filename}") from error

    def _run(self, options: dict[str, Any]) -> None:
        compact, to = options["json"], options["out"]
        field = None if options["field"] is None else ResponseSelection(options["field"])
        arguments = {
            "operation": options["operation"],
            "app": marketplace.find(options["app"]),
            "location": options["location"],
            "company": options["company"],
            "version": options["version"],
            "params": _params(options["param"]),
            "body": _body(options["body"]),
            "lane": Lane.INTERACTIVE,
        }
        self._warn(arguments, file=options["file"], all_pages=options["all_pages"])
        if options["all_pages"] and to:
            lines = _written(_lines_of(_items(arguments), field, compact=compact), to)
            self._print({"path": str(to), "lines": lines}, compact)
        elif options["all_pages"]:
            for line in _lines_of(map(without_secrets, _items(arguments)), field, compact=compact):
                self.stdout.write(line)
        elif to:
            done = media.download(to=to, **arguments)
            written = {"path": str(done.path), "size": done.size, "media_type": done.media_type}
            self._print({**written, "trace_id": done.trace_id}, compact)
        else:
            self._one(_answer(arguments, options["file"]), field, compact=compact)

    def _warn(self, arguments: dict[str, Any], *, file: str | None, all_pages: bool) -> None:
        """Write to standard error what the vendor's files have against the call, if it can be made."""
        name, params, body = arguments["operation"], arguments["params"], arguments["body"]
        try:
            tenant = tenant_of(name, location=arguments["location"], company=arguments["company"])
            wanted = target.find(name, arguments["app"], version=arguments["version"], params=params, body=body)
        except BadRequest:
            return  # the call itself says so
        if file is not None:
            body = {**(body or {}), _pair(file, "--file")[0]: b""}
        if all_pages and wanted.style is not None:  # the pages supply these
            first = wanted.style.first()
            in_body = wanted.style.part == "body"
            params, body = (params, {**first, **(body or {})}) if in_body else ({**first, **(params or {})}, body)
        for remark in call_checks.remarks(wanted, arguments["app"], tenant, params, body):
            self.stderr.write(f"warning: {remark}")

    def _one(self, result: Result, field: ResponseSelection | None, *, compact: bool) -> None:
        answer = without_secrets(result.json)
        if field is not None:
            found = field.required_of(answer)
            self.stdout.write("".join(f"{line}\n" for line in _shown(found, compact=compact)), ending="")
        elif result.json is None and result.body:
            sys.stdout.buffer.write(result.body)
        else:
            self._print(answer, compact)

    def _print(self, value: Any, compact: bool) -> None:
        self.stdout.write(json.dumps(value, indent=None if compact else 2, ensure_ascii=False))

    def _failed(self, error: IntegrationError, options: dict[str, Any]) -> None:
        support = _help(error, options)
        if options["json"]:
            shown = {"error": error.code, "message": str(error), **error.context, "vendor": error.vendor.record()}
            shown |= {} if support is None else {"help": support.as_json()}
            self.stdout.write(json.dumps(shown, default=str))
            raise SystemExit(1)
        more = [support.as_text()] if support is not None and options["report"] else []
        raise CommandError("\n".join([*_error_lines(error), *more])) from error


def _help(error: IntegrationError, options: dict[str, Any]) -> SupportHelp | None:
    """What to do about the error; None when HighLevel has no part in it, or the call names no app or tenant."""
    try:
        app = marketplace.find(options["app"])
        tenant = tenant_of(options["operation"], location=options["location"], company=options["company"])
    except IntegrationError:
        return None
    return help_with(refused_call.of_error(error, app=app, tenant=tenant, at=clock.now()))


def _error_lines(error: IntegrationError) -> Iterator[str]:
    """Lines of text for an error: what happened, with the vendor's message, and how to resolve it, if known."""
    vendor = error.vendor
    words = "; ".join(vendor.details or filter(None, [vendor.message]))
    marks = [f"{name} {value}" for name, value in (("status", vendor.status), ("trace id", vendor.trace_id)) if value]
    yield f"{error.code}: {error}" + (f": {words}" if words else "") + (f" ({', '.join(marks)})" if marks else "")
    if isinstance(error, Retryable) and error.retry_after:
        yield f"again in {math.ceil(error.retry_after)} s"
    if isinstance(error, ScopeMissing) and error.not_requested:
        yield f"first add to the app in the marketplace: {', '.join(error.not_requested)}"
    if isinstance(error, ScopeMissing) and error.reconnect_url:
        yield f"to resolve it: {error.reconnect_url}"


def _answer(arguments: dict[str, Any], file: str | None) -> Result:
    if file is None:
        return client.call(**arguments)
    field, path = _pair(file, "--file")
    return media.upload(file=Path(path), field=field, **arguments)


def _items(arguments: dict[str, Any]) -> Iterator[Any]:
    """The items of all pages, as they came."""
    return (item for page in client.pages(fetch=_page, **arguments) for item in page.items)


def _lines_of(came: Iterator[Any], field: ResponseSelection | None, *, compact: bool) -> Iterator[str]:
    """A line for each item, or for the value selected from it. It is empty where the item has none.

    Raises BadRequest when no item has a value.
    """
    items = found = 0
    item: Any = None
    for item in came:
        if field is None:
            yield json.dumps(item, ensure_ascii=False)
            continue
        chosen, items = field.of(item), items + 1
        found += chosen is not None
        yield from _shown(chosen, compact=compact)
    if items and not found and field is not None:
        raise field.missing(item)


def _page(operation: str, **arguments: Any) -> Page:
    """`client.page` that waits for a permit, because an interrupted listing would have to start from the beginning."""
    for _ in range(WAITS):
        try:
            return client.page(operation, **arguments)
        except QuotaExhausted as error:
            if error.retry_after is None or error.retry_after > LONGEST_WAIT:
                raise
            sys.stderr.write(f"no quota is free: continuing in {error.retry_after:.0f} s\n")
            clock.sleep(error.retry_after)
    return client.page(operation, **arguments)


def _shown(chosen: Any, *, compact: bool) -> list[str]:
    return [json.dumps(chosen, ensure_ascii=False)] if compact else lines(chosen)


def _written(items: Iterator[str], to: Path) -> int:
    with media.complete(to) as into:
        count = 0
        for count, line in enumerate(items, start=1):  # noqa: B007 - the last value is the count
            into.write(f"{line}\n".encode())
        return count


def _params(pairs: list[str]) -> dict[str, str | list[str]] | None:
    """Parameters by name; a name given more than once has a list. The catalogue checks whether it may."""
    found: dict[str, list[str]] = {}
    for name, value in map(_pair, pairs):
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()} or None


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
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--body is not JSON: {error}") from error
