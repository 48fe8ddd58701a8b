"""What `make fuzz` asks for is what the URLconf has, and it notices paths that only a limit answers."""

from __future__ import annotations

from collections import Counter

from django.urls import resolve

from bench.fuzz import fuzz_requests


def test_every_public_path_is_asked_for_and_exists() -> None:
    paths = fuzz_requests.paths()
    wanted = {"/", "/install/", "/oauth/callback", "/embed/", "/embed/session", "/embed/uninstall", "/webhooks/"}
    wanted |= {"/brand/logo", "/brand/colours.css", "/admin/", "/admin/login/", "/admin/second-factor/", "/metrics"}
    wanted |= {"/admin/login/second-factor/", "/admin/login/openid/", "/admin/login/openid/callback/"}
    wanted |= {f"/modules/{fuzz_requests.CLIENT_ID}/action/say/", "/modules/other/options/x/", "/install/again/x"}
    assert wanted <= set(paths)
    for path in set(paths) - {"/nowhere", "/static/site/site.css"}:
        assert "<" not in path
        assert resolve(path)


def test_a_path_that_only_a_limit_answers_is_a_fault() -> None:
    seen = Counter({f"{path} 200": 20 for path in fuzz_requests.paths()})
    assert fuzz_requests.hardly_answered(seen, 15) == []
    del seen["/embed/session 200"]
    seen["/embed/session 429"] = 500
    seen["/embed/session 401"] = 3
    assert fuzz_requests.hardly_answered(seen, 15) == ["/embed/session: 3 answers but 429"]
