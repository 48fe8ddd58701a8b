"""Resources about money: payments, invoices, the shop, affiliates."""
