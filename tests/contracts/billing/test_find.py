"""Every `find_` of the billing port, at every vendor: see `tests.contracts.finding`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import stripe as official
from interlock.canonical import Account, Customer, Money, Subscription
from interlock.canonical.credits import Credit, CreditLine, Instrument, IssuedCredit
from interlock.connectors.billing.stripe import Stripe

from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import StripeSandbox, customers, invoice_api
from tests.contracts.billing.samples import ACCOUNT, NOW, subscription
from tests.contracts.finding import Edit, FindContract, Finding

_numbers = itertools.count(1)


class AtStripe:
    """What the finds at Stripe share."""

    path: str

    def __init__(self, port: Stripe, sandbox: StripeSandbox, client: official.StripeClient) -> None:
        self.port = port
        self.sandbox = sandbox
        self.client = client

    @contextmanager
    def answer_lost(self) -> Iterator[None]:
        """It was applied."""
        self.sandbox.fail(FaultKind.LOST_ANSWER, method="POST", path=self.path)
        yield

    def new_key(self) -> str:
        """An idempotency key."""
        return f"key-{next(_numbers)}"


class Customers(AtStripe, Finding):
    """The account's e-mail address may be corrected, or cleared, in the CRM and at Stripe."""

    path = "/v1/customers$"
    own_edits = (
        {"name": "Acme Robotics SE"},
        {"email": "invoices@corrected.example"},
        {"email": None},
        {"billing_address": None},
    )

    def account(self, key: str, edit: Edit) -> Account:
        """The account as it is now."""
        return ACCOUNT.model_copy(update={"id": key, **edit})

    def make(self, key: str) -> str:
        account = self.account(key, {})
        return self.port.create_customer(account, idempotency_key=self.new_key()).remote_id

    def find(self, key: str, edit: Edit) -> Customer | None:
        return self.port.find_customer(self.account(key, edit))

    def edit_there(self, key: str, remote_id: str) -> None:
        changes = {"name": "ACME", "email": "cfo@acme.example", "description": "VIP"}
        self.client.v1.customers.update(remote_id, changes)

    def crowd(self, key: str) -> None:
        for number in range(self.page_size):
            raw = {"email": ACCOUNT.email, "metadata": {"interlock_account_id": f"{key}/{number}"}}
            customers.create(self.sandbox.account, raw)

    def make_by_hand(self, key: str) -> bool:
        metadata = {"interlock_account_id": key}
        self.client.v1.customers.create({"email": "other@acme.example", "metadata": metadata})
        return True


class Subscriptions(AtStripe, Finding):
    """The customer that is billed may be corrected between two attempts."""

    path = "/v1/subscription_schedules$"
    own_edits = ({"customer_remote_id": "another"},)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.customer = self.new_customer()
        self.another = self.new_customer()

    def new_customer(self) -> str:
        """A customer at Stripe."""
        return customers.create(self.sandbox.account, {"email": ACCOUNT.email})["id"]

    def make(self, key: str) -> str:
        return self.sell(key, self.customer)

    def sell(self, key: str, customer: str) -> str:
        """A subscription that has begun; its id."""
        return self.port.create_subscription(
            subscription(id=key, start_date=NOW.date() - timedelta(days=1)),
            customer_remote_id=customer,
            idempotency_key=self.new_key(),
        ).remote_id

    def find(self, key: str, edit: Edit) -> Subscription | None:
        customer = self.another if edit else self.customer
        return self.port.find_subscription(key, customer_remote_id=customer)

    def edit_there(self, key: str, remote_id: str) -> None:
        self.client.v1.subscription_schedules.release(remote_id)

    def crowd(self, key: str) -> None:
        account = self.sandbox.account
        pattern = account.schedules[self.sell(f"{key}/pattern", self.customer)]
        for number in range(self.page_size):
            id = account.new_id("sub_sched")
            metadata = {"interlock_order_id": f"{key}/{number}"}
            account.schedules[id] = pattern | {"id": id, "metadata": metadata}

    def make_by_hand(self, key: str) -> bool:
        self.sell(key, self.another)
        return True


class Credits(AtStripe, Finding):
    """All on one invoice, which is never corrected once it is credited."""

    path = "/v1/credit_notes$"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        account = self.sandbox.account
        customer = customers.create(account, {"email": ACCOUNT.email})["id"]
        deal = subscription(start_date=NOW.date() - timedelta(days=1))
        self.port.create_subscription(
            deal, customer_remote_id=customer, idempotency_key=self.new_key()
        )
        [invoice] = account.invoices
        self.sandbox.do(invoice_api.finalize, invoice)
        self.invoice, self.line = invoice, account.lines[invoice][0]["id"]

    def make(self, key: str) -> str:
        amount = Money.of("1.00", "USD")
        line = CreditLine(remote_id=self.line, sku="PLATFORM-ANNUAL", amount=amount)
        credit = Credit(
            id=key,
            case_id="zendesk:4711",
            account_id=ACCOUNT.id,
            invoice_id=f"stripe:{self.invoice}",
            instrument=Instrument.BALANCE,
            lines=(line,),
            net=amount,
            memo="Service credit",
        )
        return self.port.issue_credit(credit, idempotency_key=self.new_key()).remote_id

    def find(self, key: str, edit: Edit) -> IssuedCredit | None:
        return self.port.find_credit(key, invoice_id=f"stripe:{self.invoice}")

    def edit_there(self, key: str, remote_id: str) -> None:
        changes: Any = {"memo": "Sorry", "metadata": {"seen_by": "cfo"}}
        self.client.v1.credit_notes.update(remote_id, changes)

    def crowd(self, key: str) -> None:
        account = self.sandbox.account
        pattern = account.credit_notes[self.make(f"{key}/pattern")]
        for number in range(self.page_size):
            id = account.new_id("cn")
            metadata = {"interlock_credit_id": f"{key}/{number}"}
            account.credit_notes[id] = pattern | {"id": id, "metadata": metadata, "total": 0}

    def make_by_hand(self, key: str) -> bool:
        self.make(key)
        return True


class TestFindCustomer(FindContract):
    @pytest.fixture
    def finding(
        self, billing: Stripe, sandbox: StripeSandbox, client: official.StripeClient
    ) -> Finding:
        return Customers(billing, sandbox, client)


class TestFindSubscription(FindContract):
    @pytest.fixture
    def finding(
        self, billing: Stripe, sandbox: StripeSandbox, client: official.StripeClient
    ) -> Finding:
        return Subscriptions(billing, sandbox, client)


class TestFindCredit(FindContract):
    @pytest.fixture
    def finding(
        self, billing: Stripe, sandbox: StripeSandbox, client: official.StripeClient
    ) -> Finding:
        return Credits(billing, sandbox, client)
