"""URLs of the install pages and of the OAuth callback, which answers with and without the trailing slash.

The page after an install is the console's (`console.urls`): it shows what the rooms above this one know.
"""

from __future__ import annotations

from django.urls import path

from integrations.installs import views

urlpatterns = [
    path("install/", views.install, name="install"),
    path("install/again/<str:signed>", views.again, name="install_again"),
    path("oauth/callback", views.callback, name="oauth_callback"),
    path("oauth/callback/", views.callback),
]
