"""Orders with their fulfilments, transactions, subscriptions, coupons."""

from __future__ import annotations

from integrations.sync.resources.base import Parent, Resource, Single
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.sync.resources.since_filters import dated

_OF_CONTACT = frozenset({"contactName", "contactEmail"})

ORDERS = Resource(
    name="orders",
    operation="payments.list-orders",
    **dated("startAt", "endAt"),
    filters=(
        ListingFilter(parameter="status", field="status"),
        ListingFilter(parameter="paymentStatus", values=("paid", "unpaid", "refunded", "partially_paid")),
    ),
    single=Single("payments.get-order-by-id", "orderId"),
    copies=_OF_CONTACT,
    creates=frozenset({"OrderCreate"}),
    updates=frozenset({"OrderStatusUpdate"}),
)
ORDER_FULFILLMENTS = Resource(
    name="order_fulfillments",
    operation="payments.list-order-fulfillment",
    whole="data",
    below=Parent(ORDERS, "orderId", by_change=True),
)
TRANSACTIONS = Resource(
    name="transactions",
    operation="payments.list-transactions",
    **dated("startAt", "endAt"),
    filters=(ListingFilter(parameter="entitySourceType", field="entitySourceType"),),
    single=Single("payments.get-transaction-by-id", "transactionId"),
    copies=_OF_CONTACT,
)
SUBSCRIPTIONS = Resource(
    name="subscriptions",
    operation="payments.list-subscriptions",
    **dated("startAt", "endAt"),
    filters=(ListingFilter(parameter="entitySourceType", field="entitySourceType"),),
    single=Single("payments.get-subscription-by-id", "subscriptionId"),
    copies=_OF_CONTACT,
)
COUPONS = Resource(
    name="coupons",
    operation="payments.list-coupons",
    single=Single("payments.get-coupon", "id", "", {"code": "code"}),
    filters=(ListingFilter(parameter="status", values=("scheduled", "active", "expired"), field="status"),),
)

ALL = (ORDERS, ORDER_FULFILLMENTS, TRANSACTIONS, SUBSCRIPTIONS, COUPONS)
