"""Help with one refused call: steps with their channels, what the plans allow when one may be why, and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.gateway.support.refused_call import RefusedCall
from integrations.gateway.target import API_1_KEY
from integrations.highlevel.support import plan_access, remedies
from integrations.highlevel.support.channels import FORM
from integrations.highlevel.support.remedies import Step
from integrations.tenants import agency_plan
from integrations.tenants.credential_kinds import CredentialKind
from integrations.tenants.models import Installation


@dataclass(frozen=True, slots=True)
class SupportHelp:
    """`plan` is empty unless the account's plan may be why; `report` is empty when nothing was sent to HighLevel."""

    steps: tuple[Step, ...]
    plan: str
    report: str

    def as_json(self) -> dict[str, Any]:
        """The help as JSON, for `--json`."""
        steps = [{"text": step.text, **({"url": step.channel.url} if step.channel else {})} for step in self.steps]
        return {"steps": steps, "plan": self.plan, "report": self.report}

    def as_text(self) -> str:
        """The help for a terminal."""
        steps = [f"{number}. {_line(step)}" for number, step in enumerate(self.steps, start=1)]
        plan = ["", self.plan] if self.plan else []
        report = ["", "Report to copy:", self.report] if self.report else []
        return "\n".join(["What to do:", *steps, *plan, *report])


def help_with(refused: RefusedCall, installation: Installation | None = None) -> SupportHelp | None:
    """The help, or None when HighLevel has no part in it. `installation`: the account's, if it is known already."""
    if refused.code == "quota_exhausted" and refused.status is None:
        return None  # our governor gave no permit
    steps = remedies.steps(refused.code, refused.reason)
    if not refused.sent:
        steps = tuple(step for step in steps if step.channel is not FORM)
    if not steps:
        return None
    plan = _plan(refused, installation) if remedies.may_be_the_plan(refused.reason, refused.status) else ""
    return SupportHelp(steps, plan, refused.report() if refused.sent else "")


def _plan(refused: RefusedCall, installation: Installation | None) -> str:
    row = installation or _installation(refused)
    if row is None:
        return ""
    kind = refused.kind or (CredentialKind.KEY if refused.operation.startswith(API_1_KEY) else row.kind)
    own = f"The agency's plan may be why. {agency_plan.words(row.app, row.tenant)}"
    return f"{own} {plan_access.for_credential(kind, row.tenant.kind)}"


def _installation(refused: RefusedCall) -> Installation | None:
    if refused.app is None:
        return None
    resource_id = refused.account.rpartition(" ")[2]
    found = Installation.objects.select_related("app").filter(app=refused.app, resource_id=resource_id)
    return found.order_by("-status_at").first()


def _line(step: Step) -> str:
    return f"{step.text} {step.channel.name}: {step.channel.url}" if step.channel else step.text
