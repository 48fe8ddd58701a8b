"""URLs of the install pages and of the OAuth callback, which answers with and without the trailing slash."""

from __future__ import annotations

from django.urls import path

from integrations.installs import views

urlpatterns = [
    path("install/", views.install, name="install"),
    path("install/done/<str:signed>", views.result, name="install_result"),
    path("install/again/<str:signed>", views.again, name="install_again"),
    path("oauth/callback", views.callback, name="oauth_callback"),
    path("oauth/callback/", views.callback),
]
