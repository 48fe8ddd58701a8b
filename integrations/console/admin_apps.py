"""Django's admin with the site of the operators' pages. Django imports it before it imports any model."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class OperatorsAdminConfig(AdminConfig):
    """`django.contrib.admin`, whose `admin.site` is `OperatorsSite`, made when it is first asked for."""

    default_site = "integrations.console.admin_site.OperatorsSite"
