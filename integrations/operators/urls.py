"""URLs of operators, below `/admin/`. They come before the admin's own, so that these views are used."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from integrations.operators.sign_in import enrolment_page, openid_pages, second_factor_page, views

app_name = "operators"
urlpatterns = [
    path("login/", views.sign_in, name="sign-in"),
    path("login/second-factor/", second_factor_page.check, name="second-factor-check"),
    path("login/openid/", openid_pages.begin, name="openid"),
    path("login/openid/callback/", openid_pages.callback, name="openid-callback"),
    path("second-factor/", admin.site.admin_view(enrolment_page.enrolment), name="second-factor"),
    path("logout/", views.sign_out, name="sign-out"),
    path("password_change/", admin.site.admin_view(views.password_change, cacheable=True), name="password-change"),
]
