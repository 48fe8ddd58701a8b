"""HTML of the help with a refused call, for admin pages. Their `Media` needs `STYLES` and `SCRIPTS`."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.core.admin import ReadOnlyAdmin
from integrations.gateway.support.advice_on_refusal import SupportHelp, help_with
from integrations.gateway.support.refused_call import RefusedCall

STYLES, SCRIPTS = ("site/support.css",), ("site/copy.js",)
NOTHING = "nothing: HighLevel has no part in it"


class SupportedRuns(ReadOnlyAdmin):
    """Read-only admin of runs, with the field `what_to_do`. A subclass has `refused_call`."""

    class Media:
        css = {"all": STYLES}
        js = SCRIPTS

    def refused_call(self, run: Any) -> RefusedCall:
        """The call that failed the run."""
        raise NotImplementedError

    @display(description="what to do")  # type: ignore[untyped-decorator]
    def what_to_do(self, run: Any) -> SafeString | str:
        """Steps, channels of the vendor's support, and the report to send."""
        return html(help_with(self.refused_call(run))) if run.error_code else "–"


def html(found: SupportHelp | None) -> SafeString | str:
    """The steps, the plan where it matters, and the report with a button that copies it."""
    if found is None:
        return NOTHING
    return render_to_string("admin/support/panel.html", {"help": found, "name": "support-report"})
