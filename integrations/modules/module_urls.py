"""The URLs of an app's modules, to be entered in the developer portal."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from integrations.modules.answers import ANSWERS
from integrations.modules.models import ModuleKey
from integrations.modules.module_kinds import BY_TYPE, KINDS
from integrations.tenants.models import App
from integrations.webhooks import handlers
from integrations.webhooks.module_deliveries import Module

EXAMPLE = "your-name"  # of a module, where no code names one of its kind


@dataclass(frozen=True, slots=True)
class ModuleUrl:
    """A URL, the field of the developer portal that takes it, and whether the app's key goes with it."""

    kind: str
    name: str
    url: str
    enter_at: str
    needs_key: bool


def of(app: App) -> list[ModuleUrl]:
    """The URLs of the modules that answers, handlers and jobs name, and an example of each other kind."""
    named = {*ANSWERS, *_handled()}
    kinds = {module.kind for module in named}
    wanted = named | {Module(kind, EXAMPLE) for kind in BY_TYPE if kind not in kinds}
    return [_url(app, module) for module in sorted(wanted, key=lambda one: (list(BY_TYPE).index(one.kind), one.name))]


def that_lack_a_key() -> list[str]:
    """The modules that answers, handlers and jobs name and that need a key, while no app has one."""
    needing = {one.event_type for one in {*ANSWERS, *_handled()} if KINDS[BY_TYPE[one.kind]].needs_key}
    return sorted(needing) if needing and not ModuleKey.objects.exists() else []


def _handled() -> set[Module]:
    parts = (name.partition("/") for name, found in handlers.HANDLERS.items() if found)
    return {Module(kind, name) for kind, slash, name in parts if slash and kind in BY_TYPE}


def _url(app: App, module: Module) -> ModuleUrl:
    segment = BY_TYPE[module.kind]
    path = reverse("modules:called", args=[app.highlevel_id, segment, module.name])
    kind = KINDS[segment]
    return ModuleUrl(module.kind, module.name, f"{settings.PUBLIC_URL}{path}", kind.enter_at, kind.needs_key)
