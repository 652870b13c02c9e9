"""A team takes a credit back: the books follow, the cap is free, and the case may ask again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from local.cli import history
from local.cli.errors import Failure
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe.account import StripeObject
from tests.workflows.breakages import events_refused
from tests.workflows.credits import Credits, Request, Served
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has the ordinary ways.
pytestmark = pytest.mark.slow

LOOKS = 3
ALL = (
    FaultKind.UNAVAILABLE,
    FaultKind.THROTTLE,
    FaultKind.LOST_ANSWER,
    FaultKind.UNAVAILABLE_AFTER_WRITE,
)


def lost(credits: Credits, served: Served) -> Request:
    """A run that has issued a credit, does not know it, and waits for a team."""
    stripe = credits.environment.stripe
    stripe.fail(FaultKind.LOST_ANSWER, method="POST", path="/v1/credit_notes$")
    # Every look at the credit notes fails, but for those before the credit is issued: for what is
    # left of the invoice, as it is read, read again, and credited.
    notes = {"method": "GET", "path": "/v1/credit_notes$"}
    stripe.fail(FaultKind.LATENCY, times=LOOKS, **notes)
    stripe.fail(FaultKind.UNAVAILABLE, times=None, **notes)
    run = credits.report(served)
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("IssueBillingCredit", "Platform")
    assert len(credits.credit_notes(served)) == 1
    stripe.heal()
    return run


def awaiting(credits: Credits, served: Served) -> Request:
    """A run that has issued a credit, and cannot read the books."""
    with credits.broken("GetCreditMemosFunction"):
        run = credits.report(served)
        assert run.wait_for_exception().step == "AwaitErpCreditMemo"
    return run


def pay(credits: Credits, served: Served) -> None:
    """The customer pays the invoice by card."""
    credits.billing.pay(served.invoice).wait_for_end()


def leave_open(credits: Credits, served: Served) -> None:
    """The customer does not pay yet."""


def balance(credits: Credits, served: Served) -> int:
    """What the customer owes, or has left where it is negative."""
    account = credits.billing.stripe.account
    return account.customers[served.customer.stripe]["balance"]


def assert_taken_back(
    credits: Credits, systems: Systems, served: Served, note: StripeObject
) -> None:
    """At Stripe, in the books, and of the cap."""
    credits.billing.run(note["id"], "credit-note-issued").wait_for_end()
    credits.billing.run(note["id"], "credit-note-voided").wait_for_end()
    assert systems.erp.booked(note["id"]) == {}
    assert systems.erp.document(note["id"]) is None
    assert balance(credits, served) == 0
    assert (note["status"] == "void") is (served.invoice["status"] == "open")
    assert ("interlock_countered_by" in note["metadata"]) is (served.invoice["status"] == "paid")
    assert credits.granted(served) == 0


@pytest.mark.parametrize("paying", [leave_open, pay])
@pytest.mark.parametrize("begin", [lost, awaiting])
def test_credit_is_taken_back_and_asked_for_again(
    begin: Callable[[Credits, Served], Request],
    paying: Callable[[Credits, Served], None],
    credits: Credits,
    served: Served,
    systems: Systems,
) -> None:
    """It is voided while the invoice is open, and countered after; then it is computed anew."""
    paying(credits, served)
    run = begin(credits, served)
    [note] = credits.credit_notes(served)
    assert balance(credits, served) == (-10825 if paying is pay else 0)
    run.resolve("compensate", reason="it was another customer's")

    assert run.wait_for_end() == {"status": "cancelled"}

    assert_taken_back(credits, systems, served, note)
    assert credits.told(run) == ("cancelled",)
    assert "robin: it was another customer's" in credits.note(run)
    assert systems.crm.credit(served.customer.account) == (None,) * 4
    assert credits.actions(run)[-1] == ("interlock", "concluded")
    assert run.events[-1] == "credit.refused"

    again = credits.ask(run.case)
    assert again.wait_for_end() == {"status": "granted"}
    assert len(credits.credit_notes(served)) == 2
    assert credits.granted(served) == 100
    remaining = systems.erp.document(served.invoice["id"])
    assert remaining
    assert remaining.remaining.amount == (0 if paying is pay else Decimal("974.25"))
    assert balance(credits, served) == (-10825 if paying is pay else 0)


def test_compensation_fails_for_good(credits: Credits, served: Served, systems: Systems) -> None:
    """The platform's team is asked at each step in turn, and retry goes on after the repair."""
    run = awaiting(credits, served)
    [note] = credits.credit_notes(served)
    for step, function in (
        ("VoidBillingCredit", "VoidCreditFunction"),
        ("ReleaseCap", "ReleaseCapFunction"),
        ("UpdateCase", "UpdateCaseFunction"),
        ("RecordOutcome", "RecordAuditFunction"),
    ):
        decision = "compensate" if step == "VoidBillingCredit" else "retry"
        with credits.broken(function):
            run.resolve(decision)
            exception = run.wait_for_exception()
        assert (exception.step, exception.team) == (step, "Platform")
    with events_refused(credits):
        run.resolve("retry")
        assert run.wait_for_exception().step == "PublishOutcome"
    run.resolve("retry")

    assert run.wait_for_end() == {"status": "cancelled"}
    assert_taken_back(credits, systems, served, note)
    assert credits.desk.notes(run.case) == [credits.note(run)]


@pytest.mark.parametrize(
    ("paying", "path"),
    [
        (leave_open, r"/v1/credit_notes/\w+/void$"),
        (pay, "/balance_transactions$"),
        (pay, r"/v1/credit_notes/cn_\w+$"),
    ],
    ids=["void", "debit", "mark"],
)
def test_compensation_fails_for_a_while(
    paying: Callable[[Credits, Served], None],
    path: str,
    credits: Credits,
    served: Served,
    systems: Systems,
) -> None:
    """5xx, throttling, an answer lost before and after the write: it is taken back once."""
    paying(credits, served)
    run = awaiting(credits, served)
    [note] = credits.credit_notes(served)
    for kind in ALL:
        credits.environment.stripe.fail(kind, method="POST", path=path)
    run.resolve("compensate")

    assert run.wait_for_end() == {"status": "cancelled"}
    assert run.count("VoidBillingCredit") > 1
    assert len(run.exceptions("resolved")) == 1
    assert_taken_back(credits, systems, served, note)


def test_refund_is_left(credits: Credits, served: Served) -> None:
    """Finance is asked, and leaves it: the cap stays used, and the case says so."""
    pay(credits, served)
    credits.leave(served)
    run = awaiting(credits, served)
    run.resolve("compensate", reason="was not our fault")
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("VoidBillingCredit", "Finance")
    assert "gave 108.25 USD back to the customer" in exception.message
    run.resolve("skip", reason="goodwill")

    assert run.wait_for_end() == {"status": "cancelled"}

    [note] = credits.credit_notes(served)
    assert (note["status"], note["metadata"].get("interlock_countered_by")) == ("issued", None)
    assert "not taken back, robin: goodwill" in credits.note(run)
    assert credits.granted(served) == 100
    again = credits.ask(run.case)
    assert again.wait_for_end() == {"status": "nothing due"}


def test_balance_that_was_used(credits: Credits, served: Served) -> None:
    """The next invoice has taken the credit: Finance is asked."""
    pay(credits, served)
    run = awaiting(credits, served)
    credits.billing.invoice(served.customer, 20000)[1].wait_for_end()
    assert balance(credits, served) == 0
    run.resolve("compensate")
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("VoidBillingCredit", "Finance")
    assert "gave 108.25 USD to the customer's balance, and 0.00 USD are left" in exception.message
    run.resolve("skip", reason="stays")
    assert run.wait_for_end() == {"status": "cancelled"}
    assert credits.granted(served) == 100


def test_case_was_edited_while_a_credit_may_have_been_issued(
    credits: Credits, served: Served, systems: Systems
) -> None:
    """What was approved is no more: what an attempt has issued is taken back with it."""
    run = lost(credits, served)
    [note] = credits.credit_notes(served)
    credits.desk.enter(run.case, by=credits.agent(), severity="major")
    run.resolve("retry", edit={})

    assert run.wait_for_end() == {"status": "changed after approval"}
    assert_taken_back(credits, systems, served, note)


def test_nothing_was_issued_yet(credits: Credits) -> None:
    """Giving up before frees the cap and tells the case; nobody can approve it any more."""
    served = credits.serve(posted=False)
    with credits.without("RequestApprovalFunction", "AUDIT_TABLE"):
        run = credits.report(served, 10)
        run.wait_for_exception()
    [approval] = credits.approvals(run, "pending")
    assert credits.granted(served) == 250
    run.resolve("compensate")
    assert run.wait_for_end() == {"status": "cancelled"}
    with pytest.raises(Failure, match="was withdrawn"):
        credits.decide(approval)
    assert credits.told(run) == ("cancelled",)
    assert (credits.granted(served), credits.credit_notes(served)) == (0, [])


def test_complete_run_is_taken_back(credits: Credits, served: Served, systems: Systems) -> None:
    """Somebody replays it from the step that does: it is the same transaction."""
    run = credits.report(served)
    assert run.wait_for_end() == {"status": "granted"}
    [note] = credits.credit_notes(served)
    records = history.records_at(credits.cloud.client("stepfunctions"), run.arn, None)
    back = credits.replay(
        credits.event_of(run), f"{run.name}-back", step="VoidBillingCredit", records=records
    )

    assert back.wait_for_end() == {"status": "cancelled"}

    assert_taken_back(credits, systems, served, note)
    assert credits.told(run) == ("cancelled",)
    assert "taken back by a replay" in credits.note(run)
    assert [action for _, action in credits.actions(run)][-2:] == ["concluded", "concluded"]
    assert run.events.count("credit.refused") == 1
