"""The checks of the `doctor` command: one function per subject, each yields findings that say what to fix.

They run in the order of a start-up. Without a database most of them could not answer, so then only the first ones run.
A check that raises becomes a finding itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import ERROR, run_checks
from django.db import DatabaseError, connection

from integrations.console.doctor import health
from integrations.console.doctor import workers as worker_counts
from integrations.console.doctor.audit_check import audit_trail
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.job_check import background_jobs
from integrations.console.doctor.permission_check import permissions_and_versions
from integrations.console.doctor.spool_check import spool
from integrations.console.doctor.webhook_check import webhook_answers
from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.highlevel import signatures
from integrations.jobs import queries as jobs
from integrations.operators.rights import rights_seal
from integrations.quota.permits import queries as quota
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.vault import status as vault_status

OLDEST_POSTGRESQL = 150_000
START_WORKER = "start one: celery -A hlapp worker -P threads -c 16"
START_BEAT = "start exactly one: celery -A hlapp beat; and let a worker read the queue urgent"
LARGEST_SKEW = 2.0  # seconds; the rule for orphaned refreshes allows thirty


Check = Callable[[], Iterator[Finding]]


def run_all() -> list[Finding]:
    """All findings, in order. Takes about ten seconds, because it waits for a sweep that beat sends."""
    findings = [found for check in (configuration, webhook_keys, spool, services) for found in _guarded(check)]
    if any(finding.check == "database" and finding.level == Level.FAILED for finding in findings):
        return [finding for finding in findings if finding.check != "vault"]  # it reads the database
    lasting = (database, eviction, clocks, vault, apps, installations, permissions_and_versions)
    for check in (*lasting, operators, webhook_answers, audit_trail):
        findings += _guarded(check)
    broker = next(finding for finding in findings if finding.check == "broker")
    return (
        findings
        + (_guarded(workers) if broker.level == Level.OK else [])
        + _guarded(background_jobs)
        + _guarded(backlog)
    )


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


def vault() -> Iterator[Finding]:
    """Compares the keys that sealed stored values with the configured ones."""
    status = vault_status.examine()
    for problem in status.problems:
        found, _, fix = problem.partition(": ")
        yield Finding("vault keys", Level.FAILED, found, fix)
    if status.stale:
        yield Finding(
            "vault keys",
            Level.WARNING,
            f"{status.stale} values under older keys or without the address they are sent to",
            "run manage.py vault rotate",
        )
    if status.retirable:
        yield Finding("vault keys", Level.OK, f"no longer needed: {', '.join(status.retirable)}")
    yield Finding("vault keys", Level.OK, f"{status.newest!r} seals")


def apps() -> Iterator[Finding]:
    """Each marketplace app: its secrets, its scopes, and whether its refreshes are halted."""
    marketplace.default()
    for app in App.objects.order_by("id"):
        name = f"app {app.name}"
        if app.halted_at:
            yield Finding(name, Level.FAILED, f"halted: {app.halted_reason}", "correct its client id and secret")
        if app.shared_secret_sealed is None:
            fix = "set HIGHLEVEL_SHARED_SECRET, or enter it in the app's admin page"
            yield Finding(name, Level.WARNING, "no shared secret, so /embed/ cannot verify its users", fix)
        if not app.scopes:
            fix = "set HIGHLEVEL_SCOPES, or enter them in the app's admin page"
            yield Finding(name, Level.WARNING, "no scopes are set", fix)
        yield Finding(name, Level.OK, f"client id {app.client_id}, {len(app.scope_set)} scopes")


def installations() -> Iterator[Finding]:
    """Companies from whose list many locations vanished, while the locations' own tokens work."""
    braked = list(Installation.objects.braked().select_related("app", "company"))
    for row in braked:
        found = f"{row.missing:,} locations of {row.company or row.resource_id} are missing from HighLevel's list"
        fix = f"look at the agency in HighLevel; if they are gone: manage.py installs release {row.resource_id}"
        yield Finding("installations", Level.WARNING, found, fix)
    if not braked:
        yield Finding("installations", Level.OK, "no unexplained missing locations")


def operators() -> Iterator[Finding]:
    """Whether any user may sign in to the admin pages, and whose rights were changed past this application."""
    refused = rights_seal.refused()
    count = User.objects.filter(is_active=True, is_staff=True).count() - len(refused)
    if refused:
        names = ", ".join(user.get_username() for user in refused)
        fix = "find out who changed them in the database; then manage.py operators seal NAME"
        yield Finding("operators", Level.FAILED, f"refused, because their rights are not sealed: {names}", fix)
    if count:
        yield Finding("operators", Level.OK, f"{count} may sign in")
    else:
        yield Finding(
            "operators", Level.WARNING, "no user may sign in", "run manage.py operators create NAME --role owner"
        )


def workers() -> Iterator[Finding]:
    """Does a worker answer, and does beat send sweeps? Beat is alive when the sweep count grows while we wait."""
    before = worker_counts.count_sweeps()
    if not before.workers:
        yield Finding("worker", Level.FAILED, "none answers", START_WORKER)
        yield Finding("beat", Level.WARNING, "cannot be checked without a worker")
        return
    yield Finding("worker", Level.OK, f"{before.workers} answer")
    clock.sleep(worker_counts.BEAT_PERIOD)
    if worker_counts.count_sweeps().count > before.count:
        yield Finding("beat", Level.OK, "its sweeps arrive")
    else:
        yield Finding("beat", Level.FAILED, "no sweep arrived", START_BEAT)


def backlog() -> Iterator[Finding]:
    """Work that a sweep should have found already."""
    now = clock.now()
    late = {name: count for name, count in worker_counts.overdue(now).items() if count}
    for delay in jobs.delays(now, 1):
        if delay.seconds > worker_counts.LATE.total_seconds():
            found = (
                f"{delay.tenant_id} has waited for {delay.job} for {delay.seconds:.0f} s, longer than any other tenant"
            )
            yield Finding("backlog", Level.WARNING, found, "add workers, or see which job takes their threads")
    if late:
        listed = ", ".join(f"{count} {name}" for name, count in late.items())
        fix = "start beat and a worker; if they run, add workers"
        yield Finding("backlog", Level.WARNING, f"overdue for over two minutes: {listed}", fix)
    else:
        yield Finding("backlog", Level.OK, "nothing is overdue")


def _guarded(check: Check) -> list[Finding]:
    """The findings of a check; an expected exception becomes one."""
    try:
        return list(check())
    except IntegrationError as error:
        return [Finding(check.__name__.replace("_", " "), Level.FAILED, "the check failed", str(error))]
    except DatabaseError as error:
        fix = "check that the database answers, and run manage.py migrate"
        return [Finding(check.__name__.replace("_", " "), Level.FAILED, type(error).__name__, fix)]
