"""`interlock reconcile`: billing against the books, from the command line."""

from __future__ import annotations

import pytest

from local.sandboxes.stripe import customers, invoice_api, invoice_items
from local.sandboxes.stripe.account import StripeObject

from .conftest import Interlock

DAY = 24 * 3600


@pytest.fixture
def lost(cli: Interlock) -> StripeObject:
    """An invoice whose event never came, of a day that is over; nobody else has such a day."""
    environment = cli.environment
    environment.cloud.clock.advance(3 * DAY)
    environment.stripe.advance()
    tell, environment.stripe.account.on_event = environment.stripe.account.on_event, lambda _: None
    customer = environment.stripe.do(customers.create, name="Acme", email="a@acme.example")["id"]
    invoice = environment.stripe.do(
        invoice_api.create, customer=customer, currency="usd", collection_method="send_invoice",
        days_until_due=30,
    )  # fmt: skip
    environment.stripe.do(
        invoice_items.create, customer=customer, invoice=invoice["id"], currency="usd",
        amount=12_345,
    )  # fmt: skip
    final = environment.stripe.do(invoice_api.finalize, invoice["id"])
    environment.stripe.account.on_event = tell
    environment.cloud.clock.advance(DAY + 3600)
    return final


def test_a_day_on_which_nothing_happened(cli: Interlock):
    cli.environment.cloud.clock.advance(3 * DAY)
    assert cli.error("reconcile", "--from", "2019-01-01", "--to", "2020-12-31").endswith(
        "divide it"
    )
    output = cli.output("reconcile", "--from", "2020-02-01", "--to", "2020-02-29")

    assert "2020-02-01 to 2020-02-29" in output
    assert "Neither has a document of these days." in output
    assert "The books follow billing." in output
    assert cli.json("reconcile", "--latest", "--json")["first_day"] == "2020-02-01"
    assert cli.json("reconcile", "--period", "2020-02", "--json")["last_day"] == "2020-02-29"
    assert "no month" in cli.run("reconcile", "--period", "February").stderr


def test_a_break_is_printed_and_is_the_exit_code(cli: Interlock, lost: StripeObject):
    ran = cli.run("reconcile", "--json")
    assert ran.exit_code == 1, ran.output

    shown = cli.run("reconcile", "--latest")
    assert shown.exit_code == 1
    assert "missing in the books" in shown.stdout
    assert f"stripe:{lost['id']}" in shown.stdout
    assert "123.45 USD" in shown.stdout
    assert "interlock resolve EX-" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100

    exception = shown.stdout.split("interlock resolve ")[1].split()[0]
    cli.output("resolve", exception, "skip", "--reason", "entered by hand", "--by", "robin")
    run = cli.json("runs", "--limit", "1", "--json")[0]["id"]
    cli.until(lambda: cli.run("reconcile", "--latest").exit_code == 0)
    assert "accepted by robin: entered by hand" in cli.output("reconcile", "--latest")
    assert run.startswith("reconciliation-")
