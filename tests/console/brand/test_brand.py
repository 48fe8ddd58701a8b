"""Name, logo, colours and words of the public pages, from the file that BRAND_FILE names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from integrations.console.brand import brand_file, shades
from integrations.console.brand.brand_file import Brand, BrandProblem
from integrations.console.doctor import standing_checks
from integrations.tenants.models import App

TOML = """
name = "Northwind & Sons"
logo = "logo.svg"
colour = "#0F766E"
colour_dark = "#5eead4"
[words]
headline = "Connected <b>once</b>"
help = "Write to help@northwind.example"
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>'


@pytest.fixture
def brand(tmp_path: Path, settings: Settings) -> Brand:
    (tmp_path / "logo.svg").write_bytes(SVG)
    (tmp_path / "brand.toml").write_text(TOML)
    settings.BRAND = brand_file.read(str(tmp_path / "brand.toml"))
    return settings.BRAND  # type: ignore[no-any-return]


@pytest.mark.django_db
def test_every_public_page_has_it(client: Client, app: App, brand: Brand) -> None:
    for path, status in (("/", 200), ("/install/", 200), ("/embed/", 200), ("/no/such/page", 404)):
        answer = client.get(path)
        text = answer.content.decode()
        assert answer.status_code == status
        assert f"/brand/colours.css?{brand.version}" in text
        assert f"/brand/logo?{brand.version}" in text
    text = client.get("/").content.decode()
    assert "Northwind &amp; Sons" in text
    assert "Connected &lt;b&gt;once&lt;/b&gt;" in text, "words are text"
    assert "help@northwind.example" in text


@pytest.mark.django_db
def test_the_logo_runs_no_script_and_the_colours_follow_site_css(client: Client, brand: Brand) -> None:
    logo, colours = client.get("/brand/logo"), client.get("/brand/colours.css")
    assert (logo.content, logo["Content-Type"]) == (SVG, "image/svg+xml")
    assert "sandbox" in logo["Content-Security-Policy"]
    assert "max-age" in logo["Cache-Control"]
    assert "--accent: #0f766e; --accent-ink: #ffffff;" in colours.content.decode()
    page = client.get("/").content.decode()
    assert page.index("site.css") < page.index("colours.css")


@pytest.mark.django_db
def test_without_a_file_the_pages_are_as_before(client: Client, app: App) -> None:
    assert brand_file.read("") == Brand()
    text = client.get("/").content.decode()
    assert "/brand/" not in text
    assert client.get("/brand/logo").status_code == 404
    assert client.get("/brand/colours.css").content == b""


@pytest.fixture
def of_two(tmp_path: Path, settings: Settings, app: App, second_app: App) -> Brand:
    """The second app has a name, a colour, a logo and a headline of its own; the rest is the deployment's."""
    (tmp_path / "logo.svg").write_bytes(SVG)
    (tmp_path / "dental.svg").write_bytes(SVG + b" ")
    own = 'name = "Dental"\nlogo = "dental.svg"\ncolour = "#aa0000"\nwords.headline = "Practices"'
    (tmp_path / "brand.toml").write_text(f"{TOML}\n[apps.second]\n{own}")
    settings.BRAND = brand_file.read(str(tmp_path / "brand.toml"))
    return settings.BRAND  # type: ignore[no-any-return]


@pytest.mark.django_db
def test_an_app_has_a_brand_of_its_own_on_its_pages_and_the_deployments_where_it_says_nothing(
    client: Client, of_two: Brand, second_app: App
) -> None:
    for path in ("/install/?app=second", "/embed/?app=second"):
        text = client.get(path).content.decode()
        assert f"/brand/colours.css?{of_two.of('second').query.replace('&', '&amp;')}" in text
        assert "help@northwind.example" in text, "the deployment's words"
    assert "Dental" in client.get("/install/?app=second").content.decode()
    first = client.get("/install/").content.decode()
    assert "Northwind &amp; Sons" in first
    assert "Dental" not in first
    assert "--accent: #aa0000" in client.get("/brand/colours.css?app=second").content.decode()
    assert "--accent: #0f766e" in client.get("/brand/colours.css?app=nobody").content.decode()
    assert client.get("/brand/logo?app=second").content == SVG + b" "
    landing = client.get("/").content.decode()
    assert "Practices" not in landing, "the first page is of both apps"
    assert "Connected &lt;b&gt;once&lt;/b&gt;" in landing


@pytest.mark.django_db
def test_a_brand_of_an_app_that_is_not_here_is_a_finding(of_two: Brand, second_app: App) -> None:
    assert not [one for one in standing_checks.apps() if one.check == "brand"]
    second_app.delete()
    (finding,) = (one for one in standing_checks.apps() if one.check == "brand")
    assert finding.found == "[apps.second] is no app of this deployment"


@pytest.mark.parametrize("colour", ["#0f766e", "#ffff00", "#000000", "#ffffff", "#808080", "#ff0000", "#3d5afe"])
def test_text_is_readable_on_any_colour_and_links_on_their_ground(colour: str) -> None:
    text = shades.css(Brand(colour=colour, colour_dark=colour))
    found = re.findall(r"--accent: #(\w+); --accent-ink: #(\w+); --link: #(\w+);", text)
    assert len(found) == 2
    for (accent, ink, link), ground in zip(found, ("f6f7fb", "171d30"), strict=True):
        assert shades.contrast(shades._rgb(f"#{accent}"), shades._rgb(f"#{ink}")) >= shades.READABLE
        assert shades.contrast(shades._rgb(f"#{link}"), shades._rgb(f"#{ground}")) >= shades.READABLE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('colour = "teal"', "colour should be a colour such as #0f766e"),
        ('color = "#0f766e"', "has color: it may have apps, colour, colour_dark, logo, name, words"),
        ('[apps.one]\ncolor = "#0f766e"', "[apps.one] has color: it may have colour, colour_dark, logo, name, words"),
        ('[apps.one]\nlogo = "none.svg"', "[apps.one] logo cannot be read"),
        ('[apps."a b"]\nname = "x"', "apps should be tables"),
        ("apps = 5", "apps should be tables"),
        ("name = 5", "name should be one line of text"),
        ('name = "a\\nb"', "name should be one line of text"),
        ('[words]\nslogan = "x"', "may have headline, lead, footer, help"),
        ('logo = "logo.gif"', "logo should be one of .svg, .png"),
        ('logo = "none.svg"', "logo cannot be read: No such file"),
        ('logo = "large.png"', "at most 256 KB"),
        ("name", "is no TOML"),
    ],
)
def test_what_is_wrong_says_what_it_should_be(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "brand.toml").write_text(text)
    (tmp_path / "large.png").write_bytes(b"x" * (brand_file.LARGEST_LOGO + 1))
    with pytest.raises(BrandProblem, match=re.escape(says)):
        brand_file.read(str(tmp_path / "brand.toml"))
    with pytest.raises(BrandProblem, match="cannot be read"):
        brand_file.read(str(tmp_path / "none.toml"))
