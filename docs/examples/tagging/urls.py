"""Paths, below /tagging/."""

from __future__ import annotations

from django.urls import path

from apps.tagging import views

urlpatterns = [path("", views.contacts, name="tagging-contacts")]
