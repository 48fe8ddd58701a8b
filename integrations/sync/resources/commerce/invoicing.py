"""Invoices, estimates, their templates and schedules."""

from __future__ import annotations

from integrations.sync.resources.base import Resource, Single
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.sync.resources.since_filters import dated

INVOICES = Resource(
    name="invoices",
    operation="invoices.list-invoices",
    **dated("startAt", "endAt"),
    single=Single("invoices.get-invoice", "invoiceId"),
    filters=(
        ListingFilter(parameter="status", field="status"),
        ListingFilter(parameter="paymentMode", values=("default", "live", "test")),
    ),
    creates=frozenset({"InvoiceCreate"}),
    updates=frozenset({"InvoiceUpdate", "InvoiceSent", "InvoicePaid", "InvoicePartiallyPaid", "InvoiceVoid"}),
    deletes=frozenset({"InvoiceDelete"}),
)
INVOICE_TEMPLATES = Resource(
    name="invoice_templates",
    operation="invoices.list-invoice-templates",
    single=Single("invoices.get-invoice-template", "templateId"),
)
INVOICE_SCHEDULES = Resource(
    name="invoice_schedules",
    operation="invoices.list-invoice-schedules",
    **dated("startAt", "endAt"),
    single=Single("invoices.get-invoice-schedule", "scheduleId"),
)
ESTIMATES = Resource(
    name="estimates",
    operation="invoices.list-estimates",
    **dated("startAt", "endAt"),
    filters=(
        ListingFilter(
            parameter="status", values=("draft", "sent", "accepted", "declined", "invoiced", "viewed"), field="status"
        ),
    ),
)
ESTIMATE_TEMPLATES = Resource(name="estimate_templates", operation="invoices.list-estimate-templates")

ALL = (INVOICES, INVOICE_TEMPLATES, INVOICE_SCHEDULES, ESTIMATES, ESTIMATE_TEMPLATES)
