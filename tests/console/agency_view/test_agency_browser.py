"""What agencies do in a browser: follow the progress after an install, and uninstall on the page inside HighLevel."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from integrations.console.embed import ending
from integrations.core import clock
from integrations.core.errors import ScopeMissing
from integrations.installs.browser import result_link
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from tests.console.conftest import COMPANY, LOCATION, Sso, begin_run
from tests.console.test_browser import Framed, Watched
from tests.console.test_browser import browser as browser
from tests.console.test_browser import framed as framed
from tests.console.test_browser import plain_http as plain_http
from tests.console.test_browser import watched as watched

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AGENCY = {"type": "agency", "activeLocation": None}
BROWSER = "b" * 43


def test_the_page_after_an_install_follows_the_progress(
    watched: Watched, live_server: object, agency: Installation
) -> None:
    Plan.objects.filter(location_id=LOCATION).update(synced_at=None)
    Installation.objects.update(reconciled_at=clock.now())
    begin_run(Plan.objects.get(location_id=LOCATION))
    page, base = watched.page, str(live_server)
    page.clock.install()
    page.context.add_cookies([{"name": result_link.cookie_name(), "value": BROWSER, "url": base}])
    page.goto(f"{base}/install/done/{result_link.make(agency, None, browser=BROWSER)}")
    row = page.get_by_role("row", name="Studio loc1")
    expect(row).to_contain_text("fetching contacts 40 of 100")
    Run.objects.update(status=Run.Status.COMPLETE, finished_at=clock.now())
    Plan.objects.update(synced_at=clock.now())
    page.clock.run_for(5_000)
    expect(row).to_contain_text("Up to date")
    expect(page.get_by_text("is here and stays up to date")).to_be_visible()


def test_an_agency_uninstalls_after_a_second_question(
    watched: Watched, framed: Framed, agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ending.gateway, "call", lambda operation, **_: asked.append(operation))
    own = {"app": agency.app, "location_id": COMPANY, "resource": "company_users", "synced_at": clock.now()}
    Plan.objects.create(**own, created_at=clock.now())
    inside = framed(sso(**AGENCY))
    expect(inside.get_by_role("row", name="Studio loc2")).to_contain_text("Up to date")
    expect(inside.get_by_role("table", name="of the agency itself")).to_contain_text("company users")
    inside.get_by_role("button", name="Uninstall …").click()
    expect(inside.get_by_text("the agency and all its sub-accounts")).to_be_visible()
    inside.get_by_role("button", name="Keep it").click()
    assert asked == []
    inside.get_by_role("button", name="Uninstall …").click()
    inside.get_by_role("button", name="Uninstall", exact=True).click()
    expect(inside.get_by_role("status")).to_have_text("Not installed")
    expect(inside.get_by_role("link", name="Install it")).to_be_visible()
    assert asked == [ending.OPERATION]
    assert not Installation.objects.installed().filter(company=COMPANY).exists()


def test_what_the_platform_refuses_is_said_with_the_other_way(
    watched: Watched, framed: Framed, agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise ScopeMissing("oauth.write is missing", missing=("oauth.write",))

    monkeypatch.setattr(ending.gateway, "call", refuses)
    watched.expected_status = 409
    inside = framed(sso())
    inside.get_by_role("button", name="Uninstall …").click()
    inside.get_by_role("button", name="Uninstall", exact=True).click()
    expect(inside.get_by_role("alert")).to_contain_text("It is still installed.")
    expect(inside.get_by_role("alert")).to_contain_text("on the page of installed apps")
    assert Installation.objects.installed().filter(resource_id=LOCATION).exists()
