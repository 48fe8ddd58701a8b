"""The checks of the `doctor` command: one function per subject, each yields findings that say what to fix.

They run in the order of a start-up. Without a database most of them could not answer, so then only the first ones run.
A check that raises becomes a finding itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import ERROR, run_checks
from django.db import connection

from integrations.console.doctor import health, worker_ping
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.heartbeat_checks import START_BEAT, START_WORKER
from integrations.console.doctor.live_checks import CHECKS, guarded
from integrations.console.doctor.row_mac_check import examined_rows, signed_rows
from integrations.console.doctor.spool_check import spool
from integrations.core import clock
from integrations.highlevel import signatures
from integrations.operators.rights import rights_seal
from integrations.quota.permits import queries as quota

OLDEST_POSTGRESQL = 150_000
LARGEST_SKEW = 2.0  # seconds; the rule for orphaned refreshes allows thirty


def run_all() -> list[Finding]:
    """All findings, in order. Takes about ten seconds, because it waits for a sweep that beat sends."""
    findings = [found for check in (configuration, webhook_keys, spool, services) for found in guarded(check)]
    if any(finding.check == "database" and finding.level == Level.FAILED for finding in findings):
        return [finding for finding in findings if finding.check != "vault"]  # it reads the database
    lasting = (database, durability, pooler, eviction, clocks, operators)
    again = (spool, signed_rows)  # the spool was looked at; rows are examined anew
    for check in (*lasting, examined_rows, *(live.run for live in CHECKS if live.run not in again)):
        findings += guarded(check)
    broker = next(finding for finding in findings if finding.check == "broker")
    return findings + (guarded(workers) if broker.level == Level.OK else [])


def configuration() -> Iterator[Finding]:
    """The system checks that carry the tag `hlapp` (`checks.py` of each app), with those about production."""
    name = "configuration"
    for message in run_checks(tags=["hlapp"], include_deployment_checks=True):
        if not message.is_silenced():
            level = Level.FAILED if message.level >= ERROR else Level.WARNING
            yield Finding(name, level, f"{message.msg} ({message.id})", message.hint or "")
    yield Finding(name, Level.OK, f"read; serves {settings.PUBLIC_URL}")


def webhook_keys() -> Iterator[Finding]:
    """The public keys that verify webhooks."""
    keys = signatures.load_keys(settings.HIGHLEVEL_WEBHOOK_KEYS, settings.HIGHLEVEL_LEGACY_WEBHOOKS)
    legacy = f", {len(keys.rsa)} RSA" if keys.rsa else ""
    yield Finding("webhook keys", Level.OK, f"{len(keys.ed25519)} Ed25519{legacy}")


def services() -> Iterator[Finding]:
    """Database, Redis, broker and vault, by the probes of /readyz."""
    fixes = {
        "database": "start it or correct DATABASE_URL; then run manage.py migrate",
        "redis": "start it or correct REDIS_URL: no API call is sent without its quota",
        "broker": "start it or correct CELERY_BROKER_URL: workers get their tasks from it",
        "vault": "put the missing key back at the end of VAULT_KEYS; if it is lost: manage.py vault forget KEY_ID",
    }
    for name, result in health.run_probes().items():
        level = Level.OK if result.ok else Level.FAILED
        yield Finding(name, level, f"{result.note} ({result.ms:g} ms)", "" if result.ok else fixes[name])


def database() -> Iterator[Finding]:
    """The server's version and encoding. Without a locale PostgreSQL creates databases that accept only ASCII."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
            " current_setting('server_encoding')"
        )
        number, version, encoding = cursor.fetchone()
    if encoding != "UTF8":
        fix = (
            "use a database made with ENCODING 'UTF8' TEMPLATE template0: this one refuses webhooks with non-ASCII text"
        )
        yield Finding("postgresql", Level.FAILED, f"encoding {encoding}", fix)
    if number < OLDEST_POSTGRESQL:
        yield Finding("postgresql", Level.WARNING, f"version {version}", "use PostgreSQL 15 or newer")
    else:
        yield Finding("postgresql", Level.OK, f"version {version}")


def durability() -> Iterator[Finding]:
    """Whether what PostgreSQL says is committed outlives a crash of its machine: the vendor repeats neither a webhook
    that was answered 200 nor a refresh token that it has rotated.
    """
    loss = "a crash of the server loses webhooks that were answered 200, and tokens that HighLevel gives once"
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        for name, value in zip(("fsync", "synchronous_commit"), cursor.fetchone(), strict=True):
            if value == "off":
                yield Finding("postgresql", Level.FAILED, f"{name} is off: {loss}", f"set {name} = on in its settings")


def pooler() -> Iterator[Finding]:
    """Whether a pooler is in between without our knowledge, and whether the role has limits of its own.

    A pooler tells each client a process id of its own making.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), current_setting('idle_in_transaction_session_timeout')")
        pid, limit = cursor.fetchone()
    told = connection.connection.info.backend_pid
    if settings.DATABASE_DIRECT and limit == "0":
        fix = "ALTER ROLE … SET idle_in_transaction_session_timeout = '10s', and statement_timeout = '600s'"
        yield Finding("pooler", Level.WARNING, "the database's role has no time limits", fix)
    if not settings.DATABASE_DIRECT and told != pid:
        fix = "if it pools transactions, set DATABASE_POOLING=transaction and DATABASE_DIRECT_URL"
        yield Finding("pooler", Level.WARNING, "a pooler is between this process and PostgreSQL", fix)


def eviction() -> Iterator[Finding]:
    """Warns when Redis may evict keys: that would lose calls in flight from the quota, and queued tasks."""
    policy = quota.evicts()
    if policy:
        fix = "set maxmemory-policy noeviction: otherwise Redis may drop quotas, tasks and spooled tokens"
        yield Finding("redis", Level.WARNING, f"maxmemory-policy {policy}", fix)


def clocks() -> Iterator[Finding]:
    """The difference between this machine's clock and the database's."""
    before = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (database_now,) = cursor.fetchone()
    middle = before + (clock.now() - before) / 2
    skew = abs((database_now - middle).total_seconds())
    if skew > LARGEST_SKEW:
        yield Finding("clock", Level.FAILED, f"{skew:.1f} s from the database's", "run NTP on every machine")
    else:
        yield Finding("clock", Level.OK, f"within {skew * 1000:.0f} ms of the database's")


def operators() -> Iterator[Finding]:
    """Whether any user may sign in to the admin pages, and whose rights were changed past this application."""
    refused = rights_seal.refused()
    count = User.objects.filter(is_active=True, is_staff=True).count() - len(refused)
    if refused:
        names = ", ".join(f"{user} ({rights_seal.mismatch(user)})" for user in refused)
        fix = "find out who changed them in the database; then manage.py operators seal NAME"
        yield Finding("operators", Level.FAILED, f"refused, because what is in brackets is not sealed: {names}", fix)
    if count:
        yield Finding("operators", Level.OK, f"{count} may sign in")
    else:
        yield Finding(
            "operators", Level.WARNING, "no user may sign in", "run manage.py operators create NAME --role owner"
        )


def workers() -> Iterator[Finding]:
    """Does a worker answer, and does beat send sweeps? Beat is alive when the sweep count grows while we wait."""
    before = worker_ping.count_sweeps()
    if not before.workers:
        yield Finding("worker", Level.FAILED, "none answers", START_WORKER)
        yield Finding("beat", Level.WARNING, "cannot be checked without a worker")
        return
    yield Finding("worker", Level.OK, f"{before.workers} answer")
    clock.sleep(worker_ping.BEAT_PERIOD)
    if worker_ping.count_sweeps().count > before.count:
        yield Finding("beat", Level.OK, "its sweeps arrive")
    else:
        yield Finding("beat", Level.FAILED, "no sweep arrived", START_BEAT)
