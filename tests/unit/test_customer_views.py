"""A customer's view when a system is down: what it said last, and that it is old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from interlock import aws
from interlock.canonical.customer_view import OpenCases, Receivables, Relationship
from interlock.customer_views import CustomerViews

from tests.unit.conftest import Cloud
from tests.unit.contract_samples import ACCOUNT, eur

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
CRM = Relationship(owner="owner@interlock.example", open_deals=("Renewal",))
ERP = Receivables(owed=(eur(100),), overdue=(), overdue_since=None)
SUPPORT = OpenCases(open=2, severe=("4711",))


@pytest.fixture
def views(cloud: Cloud) -> CustomerViews:
    """Nothing was ever read."""
    return CustomerViews(cloud.table("CustomerViewsTable"), aws.dynamodb())


def test_what_was_read_now_is_fresh_and_the_rest_was_never_read(views: CustomerViews) -> None:
    view = views.complete(ACCOUNT, {"crm": CRM, "erp": ERP}, read_at=NOW)

    assert (view.crm.content, view.crm.read_at, view.crm.stale) == (CRM, NOW, False)
    assert view.erp.content == ERP
    assert (view.billing.content, view.billing.read_at, view.billing.stale) == (None, None, True)


def test_what_cannot_be_read_is_as_it_was_last(views: CustomerViews) -> None:
    views.keep(views.complete(ACCOUNT, {"crm": CRM, "support": SUPPORT}, read_at=NOW))

    view = views.complete(ACCOUNT, {"erp": ERP}, read_at=LATER)

    assert (view.support.content, view.support.read_at, view.support.stale) == (SUPPORT, NOW, True)
    assert (view.erp.read_at, view.erp.stale) == (LATER, False)
    assert view.crm.content == CRM


def test_what_is_stale_does_not_become_younger_by_being_kept(views: CustomerViews) -> None:
    views.keep(views.complete(ACCOUNT, {"crm": CRM}, read_at=NOW))
    views.keep(views.complete(ACCOUNT, {"erp": ERP}, read_at=LATER))

    view = views.complete(ACCOUNT, {}, read_at=LATER)

    assert (view.crm.read_at, view.erp.read_at) == (NOW, LATER)
    assert view.support.content is None


def test_a_run_that_read_earlier_does_not_overwrite_a_later_one(views: CustomerViews) -> None:
    newer = Relationship(owner=None, open_deals=())
    earlier = views.complete(ACCOUNT, {"crm": CRM}, read_at=NOW)
    views.keep(views.complete(ACCOUNT, {"crm": newer}, read_at=LATER))

    views.keep(earlier)

    assert views.complete(ACCOUNT, {}, read_at=LATER).crm.content == newer


def test_customers_have_their_own(views: CustomerViews) -> None:
    views.keep(views.complete(ACCOUNT, {"crm": CRM}, read_at=NOW))

    assert views.complete("salesforce:001Other", {}, read_at=NOW).crm.content is None


def test_a_part_that_the_model_knows_no_more_stops_no_renewal(views: CustomerViews) -> None:
    views.keep(views.complete(ACCOUNT, {"crm": CRM}, read_at=NOW))
    row = {"part": f"{ACCOUNT}#crm", "read_at": "x", "content": '{"content": {"old": 1}}'}
    aws.dynamodb().put_item(TableName=views.table, Item=row)

    assert views.complete(ACCOUNT, {}, read_at=LATER).crm.content is None
