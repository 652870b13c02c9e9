"""Billing: subscriptions, invoicing, collections."""
