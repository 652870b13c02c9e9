"""Each step of billing fails: for a while, and for good until people repair it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal

import pytest

from local.sandboxes.salesforce_seed import USD_DEAL
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import invoice_api
from tests.workflows.billing import DAY, US, Billing, Customer
from tests.workflows.breakages import events_refused
from tests.workflows.runs import Run
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow

D = Decimal
READ = (FaultKind.UNAVAILABLE, FaultKind.THROTTLE)
WRITE = (FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE_AFTER_WRITE)
ALL = (*READ, *WRITE)
RETRY_AFTER = 77


@dataclass(frozen=True)
class World:
    """What happens is made of this."""

    billing: Billing
    systems: Systems
    customer: Customer
    won: Callable[..., Run]


@pytest.fixture
def world(billing: Billing, systems: Systems, customer: Customer, won: Callable[..., Run]) -> World:
    """A customer without documents."""
    return World(billing, systems, customer, won)


# What happens: it is made ready, begun when it is asked for, and held against the books at last.
Happening = Iterator[Callable[[], Run] | None]


def invoice(world: World) -> Happening:
    """An invoice over three months."""
    run = yield lambda: world.billing.invoice(world.customer, 100000, service=90 * DAY)[1]
    id = run.name.split("-")[0]
    posted = world.systems.erp.document(id)
    assert posted
    assert (posted.total.amount, world.systems.erp.traces(id)) == (D("1082.50"), 1)
    assert sum(world.systems.erp.months(id)) == D("1000.00")


def credited_invoice(world: World) -> Happening:
    """An invoice that the customer's own credit pays in part."""
    paid = world.billing.posted(world.customer, 100000)
    world.billing.pay(paid).wait_for_end()
    note, credit = world.billing.credit(paid, 5000, credit_amount=5413)
    credit.wait_for_end()
    run = yield lambda: world.billing.invoice(world.customer, 10000)[1]
    id = run.name.split("-")[0]
    posted, memo = (world.systems.erp.document(each) for each in (id, note["id"]))
    assert posted
    assert memo
    assert (posted.remaining.amount, memo.remaining.amount) == (D("54.12"), 0)
    assert world.systems.erp.traces(id, f"{id}/credit") == 2


def payment(world: World) -> Happening:
    """Of an invoice, by card."""
    paid = world.billing.posted(world.customer, 100000)
    run = yield lambda: world.billing.pay(paid)
    charge = world.billing.charge_of(run)
    posted = world.systems.erp.document(paid["id"])
    assert posted
    assert (posted.remaining.amount, world.systems.erp.traces(charge)) == (0, 1)


def credit_note(world: World) -> Happening:
    """Of a part of an open invoice."""
    credited = world.billing.posted(world.customer, 100000)
    run = yield lambda: world.billing.credit(credited, 10000)[1]
    posted = world.systems.erp.document(credited["id"])
    note = run.name.split("-")[0]
    assert posted
    assert posted.remaining.amount == D("974.25")
    assert (world.systems.erp.traces(note), world.systems.erp.traces(f"{note}/applied")) == (1, 1)
    assert world.systems.erp.entry(f"{note}/applied")


def refund(world: World) -> Happening:
    """With its credit note."""
    paid = world.billing.posted(world.customer, 100000)
    world.billing.pay(paid).wait_for_end()
    with world.billing.held_back("refund.created") as held:
        note, run = world.billing.credit(paid, 10000, refund_amount=10825)
        run.wait_for_end()

    def begin() -> Run:
        world.billing.deliver(held[0])
        return world.billing.run(note["refunds"][0]["refund"], "refund-issued")

    run = yield begin
    id = run.name.split("-")[0]
    assert world.systems.erp.booked(id) == {"receivable": D("108.25"), "clearing": -D("108.25")}
    assert world.systems.erp.traces(id) == 1


def payout(world: World) -> Happening:
    """Of one payment."""
    world.billing.pay(world.billing.posted(world.customer, 100000)).wait_for_end()
    run = yield lambda: world.billing.pay_out()[1]
    id = run.name.split("-")[0]
    assert world.systems.erp.booked(id)["bank"] == D("1050.81")
    assert world.systems.erp.traces(id) == 1


def dispute(world: World) -> Happening:
    """Of one payment."""
    run = world.billing.pay(world.billing.posted(world.customer, 100000))
    run.wait_for_end()
    run = yield lambda: world.billing.dispute(world.billing.charge_of(run))[1]
    assert world.systems.erp.traces(run.name.split("-")[0]) == 1


def void(world: World) -> Happening:
    """Of an invoice that is posted."""
    voided = world.billing.posted(world.customer, 100000)

    def begin() -> Run:
        world.billing.stripe.do(invoice_api.void, voided["id"])
        return world.billing.run(voided["id"], "invoice-voided")

    yield begin
    assert world.systems.erp.booked(voided["id"]) == {}


def usage(world: World) -> Happening:
    """Of a metered product."""
    id = f"usage-{world.customer.stripe}"
    world.billing.metered(world.customer)
    yield lambda: world.billing.use(id, world.customer)
    told = world.billing.stripe.account.meter_events
    assert len([event for event in told if event["identifier"] == f"product:{id}"]) == 1


def dunning(world: World) -> Happening:
    """Of an invoice whose payment failed so long ago that there is a hold."""
    deal = world.won(USD_DEAL)
    deal.wait_for_end()
    world.billing.clear()
    account = world.systems.crm.account(deal.deal)
    customer = world.systems.customer(account, US)
    unpaid = world.billing.posted(
        customer, 100000, collection_method="charge_automatically", days_until_due=None
    )
    with world.billing.held_back("invoice.payment_failed") as held:
        world.billing.declined(unpaid)
    world.billing.cloud.clock.advance(31 * DAY)

    def begin() -> Run:
        world.billing.deliver(held[0])
        return world.billing.run(unpaid["id"], "payment-failed-1")

    yield begin
    assert world.systems.crm.dunning(account)[:2] == ("on hold", "1082.50")


CALLS = [
    (invoice, "RefetchInvoice", "stripe", "GET", "/v1/invoices/", READ),
    (invoice, "ReadErpPostingContext", "erp_proxy", "GET", "/company.company", READ),
    (invoice, "PostErpInvoice", "erp_proxy", "POST", "/account.invoice$", ALL),
    (invoice, "PostErpInvoice", "erp_proxy", "POST", r"/account.invoice/\d+/post$", ALL),
    (invoice, "ScheduleServicePeriods", "erp_proxy", "POST", "/run$", ALL),
    (credit_note, "RefetchCreditNote", "stripe", "GET", "/v1/credit_notes/", READ),
    (credit_note, "PostErpCreditMemo", "erp_proxy", "POST", r"/account.invoice/\d+/post$", ALL),
    (credit_note, "PostErpCreditMemo", "erp_proxy", "POST", r"/account.move/\d+/post$", ALL),
    (credited_invoice, "ApplyCustomerCredit", "erp_proxy", "GET", "/account.move.line$", READ),
    (credited_invoice, "ApplyCustomerCredit", "erp_proxy", "POST", "/account.move$", ALL),
    (credited_invoice, "ApplyCustomerCredit", "erp_proxy", "POST", r"/account.move/\d+/post$", ALL),
    (payment, "RefetchPayment", "stripe", "GET", "/v1/invoice_payments/", READ),
    (payment, "ApplyErpPayment", "erp_proxy", "POST", "/account.move$", ALL),
    (payment, "ApplyErpPayment", "erp_proxy", "POST", r"/account.move/\d+/post$", ALL),
    (refund, "RefetchRefund", "stripe", "GET", "/v1/refunds/", READ),
    (refund, "PostErpEntry", "erp_proxy", "POST", r"/account.move/\d+/post$", ALL),
    (dispute, "RefetchDispute", "stripe", "GET", "/v1/disputes/", READ),
    (payout, "RefetchPayout", "stripe", "GET", "/v1/payouts/", READ),
    (payout, "FetchBalanceTransactions", "stripe", "GET", "/v1/balance_transactions", READ),
    (payout, "MatchBalanceTransactions", "erp_proxy", "GET", "/account.move$", READ),
    (void, "VoidErpDocument", "erp_proxy", "POST", r"/account.invoice/\d+/post$", ALL),
    (void, "VoidErpDocument", "erp_proxy", "POST", r"/account.move/\d+/post$", ALL),
    (usage, "PlaceUsage", "stripe", "GET", "/v1/subscriptions$", READ),
    # Stripe replays the failure that it once answered with, whatever was applied.
    (usage, "SubmitUsage", "stripe", "POST", "/v1/billing/meter_events$", ALL),
    (dunning, "ListOverdueInvoices", "stripe", "GET", "/v1/invoices$", READ),
    (dunning, "FlagCrm", "salesforce", "PATCH", "/Account/", (*WRITE, FaultKind.UNAVAILABLE)),
]
# One of each system and each kind of write; the others are slow together.
QUICK = {
    ("PostErpInvoice", r"/account.invoice/\d+/post$"),
    ("PostErpCreditMemo", r"/account.move/\d+/post$"),
    ("ApplyErpPayment", r"/account.move/\d+/post$"),
    ("SubmitUsage", "/v1/billing/meter_events$"),
    ("FetchBalanceTransactions", "/v1/balance_transactions"),
}

QUICKLY = {invoice, payout, usage}
SLOW = [pytest.mark.slow]


def _calls() -> Iterator[object]:
    for call in CALLS:
        _, step, _, method, path, _ = call
        marks = [] if (step, path) in QUICK else SLOW
        yield pytest.param(*call, id=f"{step}-{method}-{path}", marks=marks)


@pytest.mark.parametrize(("happens", "step", "sandbox", "method", "path", "kinds"), list(_calls()))
def test_failure_for_a_while(
    happens: Callable[[World], Happening],
    step: str,
    sandbox: str,
    method: str,
    path: str,
    kinds: tuple[FaultKind, ...],
    world: World,
) -> None:
    """5xx, throttling, an answer lost before and after the write: it is booked once, by itself."""
    story = happens(world)
    begin = next(story)
    for kind in kinds:
        wish = RETRY_AFTER if kind is FaultKind.THROTTLE else None
        rule = {"method": method, "path": path, "retry_after": wish}
        getattr(world.billing.environment, sandbox).fail(kind, **rule)

    run = begin()
    run.wait_for_end()

    assert not run.exceptions("resolved")
    assert 1 <= run.count("BackOff") <= len(kinds)
    assert run.count(step) > run.count("BackOff")
    if FaultKind.THROTTLE in kinds:
        assert max(run.back_offs) >= RETRY_AFTER
    with pytest.raises(StopIteration):
        story.send(run)


# The function of each step, in the order of the process; a step that shares one comes later.
STEPS = {
    invoice: {
        "RefetchInvoice": "GetInvoiceFunction",
        "ReadErpPostingContext": "GetPostingContextFunction",
        "PreparePosting": "PreparePostingFunction",
        "PostErpInvoice": "PostInvoiceFunction",
        "ScheduleServicePeriods": "ScheduleServicePeriodsFunction",
        "VerifyTotals": "VerifyTotalsFunction",
        "RefetchPostedInvoice": "GetInvoiceFunction",
        "PublishPosted": None,
    },
    credit_note: {
        "RefetchCreditNote": "GetCreditNoteFunction",
        "PostErpCreditMemo": "PostCreditMemoFunction",
        "VerifyTotals": "VerifyTotalsFunction",
        "RefetchPostedCreditNote": "GetCreditNoteFunction",
    },
    credited_invoice: {
        "VerifyTotals": "VerifyTotalsFunction",
        "ApplyCustomerCredit": "ApplyCustomerCreditFunction",
        "RefetchPostedInvoice": "GetInvoiceFunction",
    },
    payment: {
        "RefetchPayment": "GetPaymentFunction",
        "ApplyErpPayment": "ApplyPaymentFunction",
    },
    refund: {"RefetchRefund": "GetRefundFunction", "PostErpEntry": "PostEntryFunction"},
    dispute: {"RefetchDispute": "GetDisputeFunction"},
    payout: {
        "RefetchPayout": "GetPayoutFunction",
        "FetchBalanceTransactions": "ListPayoutLinesFunction",
        "MatchBalanceTransactions": "MatchPayoutLinesFunction",
    },
    void: {"VoidErpDocument": "VoidDocumentFunction", "PublishReversed": None},
    usage: {"PlaceUsage": "PlaceUsageFunction", "SubmitUsage": "SubmitUsageFunction"},
    dunning: {
        "ListOverdueInvoices": "ListOverdueInvoicesFunction",
        "DunningState": "DecideDunningFunction",
        "FlagCrm": "FlagDunningInCrmFunction",
        "FlagSupport": "FlagDunningInSupportFunction",
        "RereadOverdueInvoices": "ListOverdueInvoicesFunction",
        "PublishDunning": None,
    },
}


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(happens, id=happens.__name__, marks=[] if happens in QUICKLY else SLOW)
        for happens in STEPS
    ],
)
def test_failure_for_good(happens: Callable[[World], Happening], world: World) -> None:
    """The platform's team is asked at each step in turn, and retry goes on after the repair."""
    story = happens(world)
    begin = next(story)
    steps = list(STEPS[happens].items())
    with ExitStack() as broken:
        broken.enter_context(_broken(world.billing, steps[0][1]))
        run = begin()
        for (step, _), (_, following) in zip(steps, [*steps[1:], (None, "")], strict=True):
            exception = run.wait_for_exception()
            assert (exception.step, exception.team) == (step, "Platform")
            assert "retry" in exception.actions
            repaired = broken.pop_all()
            if following != "":
                broken.enter_context(_broken(world.billing, following))
            repaired.close()
            run.resolve("retry")
        run.wait_for_end()
    with pytest.raises(StopIteration):
        story.send(run)


def _broken(billing: Billing, function: str | None) -> object:
    return billing.broken(function) if function else events_refused(billing)
