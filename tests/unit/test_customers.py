"""The customers of the books are the accounts of the other systems."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from interlock import customers
from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind
from interlock.crossref import CrossReferences
from interlock.customers import with_accounts

from tests.unit.conftest import Cloud


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    customers._account.cache_clear()
    yield
    customers._account.cache_clear()


def fact(customer: str | None) -> Fact:
    return Fact(
        kind=FactKind.INVOICE,
        id="stripe:in_1",
        customer_id=customer,
        amount=Money.of(1, "USD"),
        day=date(2026, 11, 3),
    )


def test_a_customer_made_by_hand_is_the_account_that_is_linked(
    cloud: Cloud, environment: Any
) -> None:
    environment(CROSSREF_TABLE=cloud.table("CrossReferencesTable"))
    CrossReferences.load().link("customer#salesforce:001", "tryton", "7")
    CrossReferences.load().link("order#salesforce:006", "tryton", "8")

    found = with_accounts(
        tuple(map(fact, ["tryton:7", "tryton:8", "salesforce:002", None])), "tryton"
    )

    assert [each.customer_id for each in found] == [
        "salesforce:001",
        "tryton:8",
        "salesforce:002",
        None,
    ]
