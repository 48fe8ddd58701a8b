"""Orders with their fulfilments, transactions, subscriptions, coupons."""

from __future__ import annotations

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single

ORDERS = Resource(
    name="orders",
    operation="payments.list-orders",
    every=SOMETIMES,
    single=Single("payments.get-order-by-id", "orderId"),
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
    every=SOMETIMES,
    single=Single("payments.get-transaction-by-id", "transactionId"),
)
SUBSCRIPTIONS = Resource(
    name="subscriptions",
    operation="payments.list-subscriptions",
    every=SOMETIMES,
    single=Single("payments.get-subscription-by-id", "subscriptionId"),
)
COUPONS = Resource(
    name="coupons",
    operation="payments.list-coupons",
    single=Single("payments.get-coupon", "id", "", {"code": "code"}),
)

ALL = (ORDERS, ORDER_FULFILLMENTS, TRANSACTIONS, SUBSCRIPTIONS, COUPONS)
