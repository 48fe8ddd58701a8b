"""The theme's attributes work in a browser without `eval`, and give code of a stranger no way in."""

from __future__ import annotations

import pytest

from integrations.tenants.models import Installation
from tests.console.test_browser import Watched, sign_in
from tests.console.test_browser import browser as browser
from tests.console.test_browser import plain_http as plain_http
from tests.console.test_browser import watched as watched

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ATTACKS = (
    "({}).constructor.constructor('window.hit = 1')()",
    "$el.ownerDocument.defaultView.hit = 1",
    "window.hit = 1",
    "document.title = 'hit'",
    "setTimeout('window.hit = 1')",
    "$el.innerHTML = '<img src=x onerror=\\'window.hit = 1\\'>'",
    "['x'].map(eval)",
)


def test_attributes_are_read_without_eval(watched: Watched, live_server: object, agency: Installation) -> None:
    page = watched.page
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/tenants/installation/")
    run = page.locator("#changelist-actions button[name=index]")
    assert not run.is_visible()
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(index=1)
    run.wait_for()
    width = page.locator("#changelist-actions").evaluate("element => element.style.width")
    assert int(width.removesuffix("px")) > 300
    menu = page.locator("[x-show=openUserLinks]")
    assert not menu.is_visible()
    page.locator("[x-on\\:click='openUserLinks = !openUserLinks']").click()
    menu.wait_for()
    assert watched.complaints == []
    for attack in ATTACKS:
        page.evaluate(
            """text => { const one = document.createElement('div'); one.setAttribute('x-data', '{}');
                         one.setAttribute('x-init', text); document.body.append(one) }""",
            attack,
        )
    page.wait_for_timeout(200)
    assert page.evaluate("[window.hit, document.title.includes('hit')]") == [None, False]
    refused = [complaint for complaint in watched.complaints if "in the expression" in complaint]
    assert len(refused) == len(watched.complaints) == len(ATTACKS)
    watched.complaints.clear()
