"""Django settings, read once from the environment. Only what differs between deployments is a variable.

A missing or malformed variable stops start-up with its name and what it should be (`hlapp.env`).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from hlapp import admin_theme, app_discovery, database_settings, project, redis_settings
from hlapp.env import Env
from hlapp.observing import log_format
from integrations.console.brand import brand_file
from integrations.core.errors import BadRequest
from integrations.core.process import memory
from integrations.highlevel.http import destinations
from integrations.highlevel.signatures import load_keys
from integrations.sync.resources import sealable
from integrations.vault import encrypted_file
from integrations.vault import keys as vault_keys
from integrations.vault import sources as vault_sources

BASE_DIR = project.directory()
env = Env(os.environ)

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY", shortest=0 if DEBUG else 32)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"] if DEBUG else None)
PUBLIC_URL = env.url("PUBLIC_URL")
# Number of reverse proxies in front: the client's address is that far from the right in X-Forwarded-For. The web
# process serves plain HTTP, so behind a public https:// address there is at least one.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", default=1 if PUBLIC_URL.startswith("https:") else 0)

# --- HighLevel -------------------------------------------------------------------------------------------------
HIGHLEVEL_CLIENT_ID = env.text("HIGHLEVEL_CLIENT_ID", default="")
HIGHLEVEL_CLIENT_SECRET = env.secret("HIGHLEVEL_CLIENT_SECRET", default="")
HIGHLEVEL_SHARED_SECRET = env.secret("HIGHLEVEL_SHARED_SECRET", default="")
HIGHLEVEL_SCOPES = env.list("HIGHLEVEL_SCOPES", default=[])
HIGHLEVEL_API_URL = env.url("HIGHLEVEL_API_URL", default="https://services.leadconnectorhq.com")
HIGHLEVEL_MARKETPLACE_URL = env.url("HIGHLEVEL_MARKETPLACE_URL", default="https://marketplace.gohighlevel.com")
HIGHLEVEL_INSTALL_URL = env.url("HIGHLEVEL_INSTALL_URL", default="")
HIGHLEVEL_WHITE_LABEL_URLS = env.list("HIGHLEVEL_WHITE_LABEL_URLS", default=[])
# API 1.0 has one address (public-api.gohighlevel.com, https://github.com/n8n-io/n8n HighLevelApi.credentials.ts).
HIGHLEVEL_API_1_URL = env.url("HIGHLEVEL_API_1_URL", default="https://rest.gohighlevel.com/v1")
# The hosts that secrets may be sent to (integrations/highlevel/http/destinations.py): `host` or `host:port`.
_ADDRESSES = {
    "HIGHLEVEL_API_URL": HIGHLEVEL_API_URL,
    "HIGHLEVEL_API_1_URL": HIGHLEVEL_API_1_URL,
    "HIGHLEVEL_MARKETPLACE_URL": HIGHLEVEL_MARKETPLACE_URL,
}
_URLS = [*_ADDRESSES.values(), HIGHLEVEL_INSTALL_URL, *HIGHLEVEL_WHITE_LABEL_URLS]
_HOSTS = list(dict.fromkeys([*destinations.HIGHLEVEL_HOSTS, *filter(None, map(destinations.host_of, _URLS))]))
HIGHLEVEL_ALLOWED_HOSTS = [host.lower() for host in env.list("HIGHLEVEL_ALLOWED_HOSTS", default=_HOSTS)]
_ALLOWED = destinations.AllowedHosts(tuple(HIGHLEVEL_ALLOWED_HOSTS), plain_http=DEBUG)
for _name, _url in _ADDRESSES.items():
    # A default that the list leaves out is an API that this deployment does not use.
    if env.is_set(_name) and _url and (_reason := destinations.refusal(_url, _ALLOWED)):
        env.reject(_name, f"is refused: {_reason}")
HIGHLEVEL_LEGACY_WEBHOOKS = env.flag("HIGHLEVEL_LEGACY_WEBHOOKS", default=False)
# PEM texts; without any, the published keys count (highlevel.signatures).
HIGHLEVEL_WEBHOOK_KEYS = [pem] if (pem := env.text("HIGHLEVEL_WEBHOOK_KEYS", default="")) else []
# Client ids, or app ids, of apps without a webhook URL: `doctor` misses no webhooks of these.
APPS_WITHOUT_WEBHOOKS = env.list("APPS_WITHOUT_WEBHOOKS", default=[])
# How long settled webhooks are kept (integrations/webhooks/retention.py); shorter, and a late retry would count as new.
WEBHOOK_RETENTION_DAYS = env.integer("WEBHOOK_RETENTION_DAYS", default=30, minimum=7)
# Days after which other kinds of data are deleted (docs/personal-data.md has the table); 0: they stay.
POISONED_RETENTION_DAYS = env.integer("POISONED_RETENTION_DAYS", default=0)
CALL_RETENTION_DAYS = env.integer("CALL_RETENTION_DAYS", default=14, minimum=1)
USAGE_RETENTION_DAYS = env.integer("USAGE_RETENTION_DAYS", default=90, minimum=3)
SYNC_RUN_RETENTION_DAYS = env.integer("SYNC_RUN_RETENTION_DAYS", default=7, minimum=1)
JOB_RUN_RETENTION_DAYS = env.integer("JOB_RUN_RETENTION_DAYS", default=30, minimum=1)
# How long the answers of `run.once` are known: after it, a key may send again.
ONCE_RETENTION_DAYS = env.integer("ONCE_RETENTION_DAYS", default=400, minimum=30)
OUTBOX_REPLAY_DAYS = env.integer("OUTBOX_REPLAY_DAYS", default=7, minimum=0)
# Tombstones keep late pages and late webhooks from bringing deleted records back: longer than the vendor's retries.
TOMBSTONE_RETENTION_DAYS = env.integer("TOMBSTONE_RETENTION_DAYS", default=30, minimum=7)
RECORD_HISTORY_RETENTION_DAYS = env.integer("RECORD_HISTORY_RETENTION_DAYS", default=90, minimum=1)
# How long the files of exports can be downloaded.
EXPORT_RETENTION_DAYS = env.integer("EXPORT_RETENTION_DAYS", default=7, minimum=1)
# How long an upsert and its results are kept after its last run.
UPSERT_RETENTION_DAYS = env.integer("UPSERT_RETENTION_DAYS", default=30, minimum=1)
HISTORY_RETENTION_DAYS = env.integer("HISTORY_RETENTION_DAYS", default=0)
# Fields of synced records that are encrypted in the database (integrations/sync/sealed_fields.py).
SEALED_FIELDS = env.list("SEALED_FIELDS", default=[])
for _entry in SEALED_FIELDS:
    if _reason := sealable.problem(_entry):
        env.reject("SEALED_FIELDS", f"is refused: {_reason}")
# Bytes of the largest webhook that is stored. Bodies of e-mails in messages reach more than 1 MB.
WEBHOOK_MAX_BYTES = env.integer("WEBHOOK_MAX_BYTES", default=5 * 1024 * 1024, minimum=64 * 1024)
# Days between the request of a purge and its begin, in which it can be cancelled (integrations/privacy/).
PURGE_GRACE_DAYS = env.integer("PURGE_GRACE_DAYS", default=7)
# Whether an uninstall asks for the purge of its tenant.
PURGE_AFTER_UNINSTALL = env.flag("PURGE_AFTER_UNINSTALL", default=False)
try:
    load_keys(HIGHLEVEL_WEBHOOK_KEYS, legacy=HIGHLEVEL_LEGACY_WEBHOOKS)
except BadRequest as error:
    env.reject("HIGHLEVEL_WEBHOOK_KEYS", f"should be PEM public keys: {error}")
if HIGHLEVEL_CLIENT_ID and not HIGHLEVEL_CLIENT_SECRET:
    env.reject("HIGHLEVEL_CLIENT_SECRET", "is not set, though HIGHLEVEL_CLIENT_ID is")

# --- Secrets at rest -------------------------------------------------------------------------------------------
try:
    VAULT_KEYS = vault_sources.read(env.secret("VAULT_KEYS"))
except vault_sources.SourceFailed as error:
    VAULT_KEYS = []
    env.reject("VAULT_KEYS", str(error))
# An older key may be weak: it has to open what it sealed until `manage.py vault rotate` is done.
if VAULT_KEYS and not DEBUG and vault_keys.is_weak(VAULT_KEYS[0]):
    env.reject("VAULT_KEYS", "starts with a key that is not random: put one of `openssl rand -base64 32` before it")

# Encrypts backups, and nothing else (integrations/backups/).
BACKUP_KEY = env.secret("BACKUP_KEY", default="")
if BACKUP_KEY and (_reason := encrypted_file.key_problem(BACKUP_KEY)):
    env.reject("BACKUP_KEY", _reason)

# Where the head of the audit trail is exported to besides the log (integrations/console/audit_export.py).
AUDIT_HEAD_FILE = env.text("AUDIT_HEAD_FILE", default="")
AUDIT_HEAD_URL = env.url("AUDIT_HEAD_URL", default="", schemes=("https",))
AUDIT_HEAD_TOKEN = env.secret("AUDIT_HEAD_TOKEN", default="")
if AUDIT_HEAD_FILE and not os.access(Path(AUDIT_HEAD_FILE).parent, os.W_OK):
    env.reject("AUDIT_HEAD_FILE", "should be a file in a directory that exists and can be written to")

# Where alerts to operators are sent (integrations/console/alerts/).
ALERT_EMAILS = env.list("ALERT_EMAILS", default=[])
ALERT_EMAIL_FROM = env.text("ALERT_EMAIL_FROM", default="hlapp@localhost")
ALERT_SMTP_URL = env.secret("ALERT_SMTP_URL", default="")
ALERT_WEBHOOK_URL = env.url("ALERT_WEBHOOK_URL", default="", schemes=("https",))
ALERT_WEBHOOK_SECRET = env.secret("ALERT_WEBHOOK_SECRET", default="")
ALERT_PING_URL = env.url("ALERT_PING_URL", default="", schemes=("https",))
ALERT_QUIET_HOURS = env.hours("ALERT_QUIET_HOURS", default=())
ALERT_AFTER_MINUTES = env.integer("ALERT_AFTER_MINUTES", default=2)  # what is over by then is not worth a message
ALERT_REPEAT_HOURS = env.integer("ALERT_REPEAT_HOURS", default=24, minimum=1)
ALERT_WARNINGS = env.flag("ALERT_WARNINGS", default=True)
if ALERT_EMAILS and not ALERT_SMTP_URL.startswith(("smtp://", "smtps://")):
    env.reject("ALERT_SMTP_URL", "should be smtp://user:password@host:587 (or smtps) when ALERT_EMAILS is set")

# Name, logo, colours and words of the pages that agencies see (integrations/console/brand/brand_file.py).
try:
    BRAND = brand_file.read(env.text("BRAND_FILE", default=""))
except brand_file.BrandProblem as error:
    BRAND = brand_file.Brand()
    env.reject("BRAND_FILE", str(error))

# Where a grant waits, sealed, while the database is unavailable (tokens.spool): a disk that outlives the process.
SPOOL_DIR = env.text("SPOOL_DIR", default=str(BASE_DIR / ".hlapp" / "spool"))

# --- Services --------------------------------------------------------------------------------------------------
DATABASES = {"default": database_settings.read(env)}
# PostgreSQL's own address, if DATABASE_URL is that of a pooler (`hlapp.database_settings`); else empty.
DATABASE_DIRECT = database_settings.direct(env)
# Keys in Redis carry the database's name, so two deployments on one Redis never mix.
NAMESPACE = DATABASES["default"].get("NAME", "")
REDIS = redis_settings.read(env)
REDIS_URL = REDIS.url
# Whether the governor may learn where the vendor's fixed windows begin (integrations/quota/permits/lua/window.lua).
QUOTA_LEARN_WINDOW = env.flag("QUOTA_LEARN_WINDOW", default=True)
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", default=REDIS.broker_url)

# A worker that uses more memory than this restarts, once its turns have handed their runs back; 0: no limit. By
# default 1 GB, or four fifths of what its container may use.
_MEMORY_MB = env.integer("WORKER_MEMORY_MB", default=min(1024, memory.container_limit() * 4 // 5 // 2**20 or 1024))
WORKER_MEMORY_BYTES = _MEMORY_MB * 2**20
# A job run that makes no call and shows no progress for so long counts as hung (integrations/core/worker/guard.py).
JOB_SILENT_SECONDS = env.integer("JOB_SILENT_SECONDS", default=90, minimum=5)

# --- Django ----------------------------------------------------------------------------------------------------
OWN_APPS = app_discovery.find(env.list("HLAPP_APPS", default=[]), BASE_DIR)
ROOMS = (
    *(
        "core",
        "vault",
        "highlevel",
        "quota",
        "tenants",
        "tokens",
        "gateway",
        "installs",
        "webhooks",
        "modules",
        "outbox",
    ),
    *("sync", "jobs", "exports", "upserts", "problems", "privacy", "backups", "console"),
)
INSTALLED_APPS = [
    "hlapp.apps.ProjectConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "integrations.console.admin_apps.OperatorsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *(f"integrations.{room}" for room in ROOMS),
    *OWN_APPS,
    "integrations.operators",  # the last: after `migrate` its groups get the permissions of all others
]
if DEBUG:
    # Development tools: production has neither their commands nor their modules (`hlapp.development.refusal`).
    INSTALLED_APPS += ["integrations.sandbox", "integrations.demo"]
for _reason in app_discovery.problems(OWN_APPS, set(INSTALLED_APPS) - set(OWN_APPS)):
    env.reject("HLAPP_APPS", f"and the other sources of own apps: {_reason}")
MIDDLEWARE = [
    "integrations.console.errors.middleware.ProbesOfAnyHost",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "integrations.console.errors.middleware.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "integrations.operators.second_factor.enforcement.SecondFactorRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "integrations.core.pages.operator_zone.OperatorZone",
    "integrations.console.errors.middleware.ErrorPages",
]
ROOT_URLCONF = "hlapp.urls"
WSGI_APPLICATION = "hlapp.wsgi.application"
ASGI_APPLICATION = "hlapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["integrations.operators.rights.sealed_backend.SealedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE = True, "UTC"
FORMAT_MODULE_PATH = "integrations.console.formats"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

CACHES = {"default": {"BACKEND": "integrations.console.search.search_cache.ProcessCache"}}

STATIC_URL, STATIC_ROOT = "/static/", BASE_DIR / "staticfiles"
# Until they are collected (development, demo) files are served from where the packages keep them. The list of names is
# what `collectstatic` writes last: a folder without one is none yet.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not (STATIC_ROOT / "staticfiles.json").is_file()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "hlapp.static_files.CollectedFiles"},
}

HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_ENGINE = "integrations.operators.sessions"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
LOGIN_REDIRECT_URL = "admin:index"  # the only sign-in there is
CSRF_FAILURE_VIEW = "integrations.console.errors.responses.form_expired"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# The proxy says with X-Forwarded-Proto which requests came over HTTPS; all others are redirected there. Probes call a
# process directly, and a redirect would lose a webhook.
SECURE_SSL_REDIRECT = env.flag("SSL_REDIRECT", default=HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)/?$", r"^(webhooks|modules)(/|$)"]
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
# W005, W021: whether other hosts of the domain serve HTTPS is not for this app to say. W002: the middleware
# `SecurityHeaders` sets X-Frame-Options, because the page inside HighLevel is framed.
SILENCED_SYSTEM_CHECKS = ["security.W002", "security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True

# --- Operators -------------------------------------------------------------------------------------------------
# Whether an operator has to have a second factor (integrations/operators/second_factor/).
OPERATOR_SECOND_FACTOR = env.choice("OPERATOR_SECOND_FACTOR", ("required", "optional"), default="optional")

# Sign-in through an identity provider (integrations/operators/openid/): off without an issuer.
OPERATOR_OIDC_ISSUER = env.url("OPERATOR_OIDC_ISSUER", default="")
OPERATOR_OIDC_CLIENT_ID = env.text("OPERATOR_OIDC_CLIENT_ID", default="")
OPERATOR_OIDC_CLIENT_SECRET = env.secret("OPERATOR_OIDC_CLIENT_SECRET", default="")
OPERATOR_OIDC_CLAIM = env.text("OPERATOR_OIDC_CLAIM", default="groups")
_GROUPS = [pair.rpartition("=") for pair in env.list("OPERATOR_OIDC_ROLES", default=[])]
OPERATOR_OIDC_ROLES = {group: role for group, _, role in _GROUPS}
if not {*OPERATOR_OIDC_ROLES.values()} <= {"viewer", "support", "operator", "owner"} or "" in OPERATOR_OIDC_ROLES:
    env.reject("OPERATOR_OIDC_ROLES", "should be group=role, …, with the roles viewer, support, operator and owner")
if OPERATOR_OIDC_ISSUER:
    if not (OPERATOR_OIDC_ISSUER.startswith("https:") or DEBUG):
        env.reject("OPERATOR_OIDC_ISSUER", "should be an https address")
    if not OPERATOR_OIDC_CLIENT_ID or not OPERATOR_OIDC_CLIENT_SECRET:
        env.reject("OPERATOR_OIDC_CLIENT_ID", "and OPERATOR_OIDC_CLIENT_SECRET have to be set with an issuer")
    if not OPERATOR_OIDC_ROLES:
        env.reject("OPERATOR_OIDC_ROLES", "is not set, though OPERATOR_OIDC_ISSUER is: no operator would get a role")

# --- Metrics ---------------------------------------------------------------------------------------------------
METRICS_TOKEN = env.secret("METRICS_TOKEN", default="", shortest=0 if DEBUG else 16)

# --- Logs and error reports ------------------------------------------------------------------------------------
LOGGING_CONFIG = "hlapp.observing.log_format.configure"
DEFAULT_EXCEPTION_REPORTER = "hlapp.error_report.RedactingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "hlapp.error_report.RedactingReporterFilter"
LOGGING = log_format.options(env)
SENTRY_DSN = env.secret("SENTRY_DSN", default="")

# --- Admin theme -----------------------------------------------------------------------------------------------
UNFOLD = admin_theme.options(STATIC_URL)

VARIABLES = env.variables  # for the page of variables
env.check()
