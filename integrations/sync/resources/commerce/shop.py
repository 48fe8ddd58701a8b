"""The shop: products with prices, stock, collections, reviews, shipping. Affiliates, their commissions and payouts."""

from __future__ import annotations

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single
from integrations.sync.resources.dates import iso
from integrations.sync.resources.since_filters import dated

PRODUCTS = Resource(
    name="products",
    operation="products.list-invoices",  # the vendor's name of it
    single=Single("products.get-product-by-id", "productId"),
    creates=frozenset({"ProductCreate"}),
    updates=frozenset({"ProductUpdate"}),
    deletes=frozenset({"ProductDelete"}),
)
PRICES = Resource(
    name="prices",
    operation="products.list-prices-for-product",
    every=SOMETIMES,
    below=Parent(PRODUCTS, "productId", named="product"),
    single=Single("products.get-price-by-id-for-product", "priceId", "", {"productId": "product"}),
    creates=frozenset({"PriceCreate"}),
    updates=frozenset({"PriceUpdate"}),
    deletes=frozenset({"PriceDelete"}),
    renames={"priceType": "type"},
)
INVENTORY = Resource(name="inventory", operation="products.get-list-inventory", every=SOMETIMES)
PRODUCT_COLLECTIONS = Resource(
    name="product_collections",
    operation="products.get-product-collection",
    single=Single("products.get-product-collection-id", "collectionId", "data"),
)
PRODUCT_REVIEWS = Resource(
    name="product_reviews", operation="products.get-product-reviews", **dated("startDate", "endDate", iso)
)
SHIPPING_ZONES = Resource(
    name="shipping_zones",
    operation="store.list-shipping-zones",
    single=Single("store.get-shipping-zones", "shippingZoneId", "data"),
)
SHIPPING_RATES = Resource(
    name="shipping_rates",
    operation="store.list-shipping-rates",
    below=Parent(SHIPPING_ZONES, "shippingZoneId"),
    single=Single("store.get-shipping-rates", "shippingRateId", "data", {"shippingZoneId": "shippingZoneId"}),
)
SHIPPING_CARRIERS = Resource(
    name="shipping_carriers",
    operation="store.list-shipping-carriers",
    whole="data",
    single=Single("store.get-shipping-carriers", "shippingCarrierId", "data"),
)
AFFILIATES = Resource(
    name="affiliates",
    operation="affiliate-manager.list-affiliates",
    **dated("fromDate", "toDate"),
    single=Single("affiliate-manager.get-affiliate", "affiliateId"),
)
COMMISSIONS = Resource(name="commissions", operation="affiliate-manager.list-commissions", every=SOMETIMES)
PAYOUTS = Resource(name="payouts", operation="affiliate-manager.list-payouts", every=SOMETIMES)

ALL = (
    PRODUCTS,
    PRICES,
    INVENTORY,
    PRODUCT_COLLECTIONS,
    PRODUCT_REVIEWS,
    SHIPPING_ZONES,
    SHIPPING_RATES,
    SHIPPING_CARRIERS,
    AFFILIATES,
    COMMISSIONS,
    PAYOUTS,
)
