"""Accounts as the CRM hands them to the ERP."""

from __future__ import annotations

import uuid

from interlock.canonical import Account, Address


def new_id() -> str:
    return f"crm:{uuid.uuid4().hex[:18]}"


def account(**changes) -> Account:
    identity = new_id()
    values = {
        "id": identity,
        "name": f"Customer {identity}",
        "domain": f"{identity[4:]}.example",
        "email": "accounts@example.com",
        "billing_address": Address(
            street="500 Congress Ave",
            city="Austin",
            region="TX",
            postal_code="78701",
            country="US",
        ),
    }
    return Account(**values | changes)
