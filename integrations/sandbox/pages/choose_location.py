"""Choose-location page: the user selects agency and locations and installs the app. Plain HTML forms, no script.

It works for an HTTP client as for a browser. GET with the authorization parameters (`client_id`, `redirect_uri`,
`scope`, `response_type`, `state`, `version_id`) shows the agencies, and with `company=ID` the consent form. POST to the
same path takes the same parameters and

- `company`: the agency's id (may be left out if there is one agency only);
- `mode`: `location` (a sub-account user installs, the app gets a Location token), `bulk` (the agency installs, a
  Company token with isBulkInstallation) or `agency` (an agency-level app, a Company token without);
- `location`: the id of the one location, for `mode=location`;
- `locations`, repeated, or `all_locations=on`, and `future_locations=on`, for `mode=bulk`;
- `user`: who installs, by default the agency's owner or the location's first user;
- `action`: `install` or `cancel`.

The answer is a 302 to `redirect_uri` with `code`, or with `error=access_denied`, and with `state` if one was given.
"""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.data.world import Company
from integrations.sandbox.endpoints import lifecycle
from integrations.sandbox.oauth import authorize
from integrations.sandbox.oauth.authorize import Authorization, Invalid
from integrations.sandbox.oauth.installs import Install
from integrations.sandbox.oauth.tokens import Grant
from integrations.sandbox.pages import markup

Form = MultiMapping[str]


async def show(request: web.Request) -> web.Response:
    """Show the choose-location page."""
    platform = request.app[PLATFORM]
    fields = authorize.query_fields(request.rel_url.raw_query_string)
    try:
        wanted = authorize.check(platform.app, fields)
        company = _company(platform, fields.get("company", ""))
    except Invalid as error:
        return _refused(error)
    given = {name: fields[name] for name in authorize.FIELDS if name in fields}
    if company is None:
        return _choose_company(platform, request.path, given)
    return _consent(platform, request.path, company, wanted, given)


async def decide(request: web.Request) -> web.Response:
    """Handle the form of the choose-location page."""
    platform = request.app[PLATFORM]
    form: Form = await request.post()  # type: ignore[assignment]  # no file fields in this form
    try:
        query = authorize.query_fields(request.rel_url.raw_query_string)
        wanted = authorize.check(platform.app, {**query, **{name: form[name] for name in form}})
        if form.get("action", "install") != "install":
            return _redirect(wanted.back(error="access_denied"))
        company = _company(platform, form.get("company", ""))
        if company is None:
            raise Invalid("company is missing", "Give the id of one of the agencies.")
        install = _install(platform, company, wanted, form)
    except Invalid as error:
        return _refused(error)
    grant = Grant(platform.app.client_id, install, wanted.scopes)
    code = platform.tokens.issue_code(grant, wanted.redirect_uri, platform.clock.now())
    return _redirect(wanted.back(code=code))


def _company(platform: Platform, company_id: str) -> Company | None:
    """The agency named, or the only one; None if the user still has to choose."""
    companies = platform.world.companies
    if not company_id:
        return next(iter(companies.values())) if len(companies) == 1 else None
    if company_id not in companies:
        raise Invalid(f"company {company_id} does not exist", "Give the id of one of the agencies.")
    return companies[company_id]


def _install(platform: Platform, company: Company, wanted: Authorization, form: Form) -> Install:
    mode = form.get("mode", "location")
    install = Install(
        company_id=company.id,
        location_id=None,
        user_id=form.get("user") or next(iter(company.users), ""),
        scopes=wanted.scopes,
        installed_at=platform.clock.milliseconds(),
    )
    if mode == "location":
        location_id = _known(company, [form.get("location", "")])[0]
        users = company.locations[location_id].users
        install.location_id = location_id
        install.user_id = form.get("user") or next(iter(users), install.user_id)
        return lifecycle.install_location(platform, install)
    if mode == "agency":
        return lifecycle.install_company(platform, install, ())
    if mode != "bulk":
        raise Invalid(f"mode {mode} does not exist", "mode is location, bulk or agency.")
    install.bulk = True
    install.approve_all = form.get("all_locations") == "on"
    install.future = form.get("future_locations") == "on"
    chosen = list(company.locations) if install.approve_all else _known(company, form.getall("locations", []))
    return lifecycle.install_company(platform, install, chosen)


def _known(company: Company, location_ids: list[str]) -> list[str]:
    if not location_ids:
        raise Invalid("no location was chosen", "Choose at least one location, or all.")
    for location_id in location_ids:
        if location_id not in company.locations:
            raise Invalid(f"location {location_id or 'none'} is not in this agency", "Choose one of its locations.")
    return location_ids


def _choose_company(platform: Platform, path: str, given: dict[str, str]) -> web.Response:
    links = [
        markup.tag("a", company.name, class_="choice", href=f"{path}?{_query({**given, 'company': company.id})}")
        for company in platform.world.companies.values()
    ]
    return markup.page(
        "Choose an agency", markup.fill("companies", app=platform.app.name, companies=markup.join(links))
    )


def _consent(
    platform: Platform, path: str, company: Company, wanted: Authorization, given: dict[str, str]
) -> web.Response:
    locations = company.locations.values()
    hidden = [markup.hidden(name, value) for name, value in {**given, "company": company.id}.items()]
    checkbox = markup.Markup('<input type="checkbox" name="locations" value="{}"> {}')
    content = markup.fill(
        "consent",
        app=platform.app.name,
        action=path,
        company=company.name,
        count=str(len(company.locations)),
        hidden=markup.join(hidden),
        options=markup.join(markup.tag("option", location.name, value=location.id) for location in locations),
        checkboxes=markup.join(
            markup.tag(
                "label",
                markup.Markup(checkbox.format(markup.escape(location.id), markup.escape(location.name))),
                class_="plain",
            )
            for location in locations
        ),
        scopes=markup.join(markup.tag("li", scope) for scope in wanted.scopes),
    )
    return markup.page(f"Install {platform.app.name}", content)


def _query(fields: dict[str, str]) -> str:
    return urlencode(fields).replace("+", "%20")


def _redirect(url: str) -> web.Response:
    return web.Response(status=302, headers={"Location": url})


def _refused(error: Invalid) -> web.Response:
    content = markup.fill("refused", reason=error.reason, advice=error.advice)
    return markup.page("This app cannot be installed", content, status=400)
