"""Case to credit: from the request of an agent to the books, and what a request comes to else."""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

import httpx
import pytest
from interlock.canonical import Money
from interlock.rules.case_sweep import GRACE

from local.cli.errors import Failure
from local.sandboxes.sandbox import FaultKind
from tests.workflows.billing import DE, JP, US
from tests.workflows.credits import (
    AGENT,
    FINANCE,
    SUPPORT_LEAD,
    Credits,
    Request,
    Served,
)
from tests.workflows.systems import Systems
from tests.workflows.test_replay import records_at, rehearse

D = Decimal
SLOW = [pytest.mark.slow]
HAPPY = [
    "ReceiveEvent",
    "IsReplayOfStep",
    "RefetchCase",
    "IsAsked",
    "RecordRequest",
    "IsComplete",
    "ReadBillingContext",
    "LoadContractTerms",
    "ValidateEntitlement",
    "IsEntitled",
    "ComputeCredit",
    "ReserveCap",
    "IsReserved",
    "RecordComputation",
    "IsAnythingDue",
    "IsDryRun",
    "Approve",
    "IsApproved",
    "RereadCase",
    "VerifyApproval",
    "IsAsApproved",
    "RereadBillingContext",
    "ChooseInstrument",
    "IssueBillingCredit",
    "IsDryCredit",
    "AwaitErpCreditMemo",
    "UpdateCase",
    "IsGranted",
    "UpdateCrm",
    "RecordOutcome",
    "IsDryOutcome",
    "PublishOutcome",
    "Concluded",
]
GRANTED = [
    (AGENT, "requested"),
    ("interlock", "computed"),
    ("policy", "approved"),
    ("interlock", "concluded"),
]
NOBODY_WAITS = {"StepFailed", "BackOff", "Resume"}


def days(credits: Credits) -> int:
    """How many days the month has."""
    return calendar.monthrange(credits.month.year, credits.month.month)[1]


def monthly(credits: Credits, yearly: int) -> Decimal:
    """What a year's fee comes to for the month: computed here, and not by the rules."""
    in_year = (credits.month.replace(year=credits.month.year + 1) - credits.month).days
    return to_cents(D(yearly) * days(credits) / in_year)


def to_cents(amount: Decimal) -> Decimal:
    """Halves up, as on invoices."""
    return amount.quantize(D("0.01"), rounding=ROUND_HALF_UP)


# ---- What is granted


def test_small_credit_reaches_every_system(credits: Credits, systems: Systems) -> None:
    """Within policy nobody is asked; a year is charged, its month's share counts."""
    served = credits.serve(1000000, interval="year")
    fee = monthly(credits, 10000)
    amount = to_cents(fee / 10)
    run = credits.report(served)

    assert run.wait_for_end() == {"status": "granted"}

    # The books follow by a run of their own, which may still be at work.
    states = run.states
    assert [state for state in dict.fromkeys(states) if state not in NOBODY_WAITS] == HAPPY
    assert {states[n - 1] for n, state in enumerate(states) if state == "StepFailed"} <= {
        "AwaitErpCreditMemo"
    }
    [note] = credits.credit_notes(served)
    tax = Money.rounded(amount * D("0.0825"), "USD").amount
    assert (note["subtotal"], note["total"]) == (amount * 100, (amount + tax) * 100)
    assert note["pre_payment_amount"] == note["total"]
    assert note["metadata"]["interlock_case_id"] == f"zendesk:{run.case}"
    assert f"case {run.case}: SEAT-ANNUAL, {credits.month:%Y-%m}" in note["memo"]
    booked = systems.erp.booked(note["id"])
    assert booked == {"receivable": -amount - tax, "revenue": amount, "tax": tax}
    invoice = systems.erp.document(served.invoice["id"])
    assert invoice
    assert invoice.remaining.amount == D("10825.00") - amount - tax
    account = systems.crm.credit(served.customer.account)
    assert account == (str(run.case), str(amount), "USD", note["number"])
    assert credits.told(run) == ("granted", f"{amount} USD")
    for said in (note["number"], f"10 % of {fee} USD", run.transaction):
        assert said in credits.note(run)
    assert credits.granted(served) == amount

    assert credits.actions(run) == GRANTED
    facts = [json.loads(row.facts) for row in credits.audited(run).chain.rows]
    assert facts[1]["terms"]["agreement"] == "standard"
    assert "approved by policy" in facts[2]["rule"]
    assert facts[3]["issued"][0]["number"] == note["number"]
    assert D(facts[3]["memos"][0]["net"]["amount"]) == amount
    told = run.timeline
    assert [event.type for event in told if event.source == "interlock"][-1] == "credit.granted"
    assert told[-1].data["audit"]["number"] == len(GRANTED)
    assert {event.correlation_id for event in told} == {run.transaction}


def test_person_approves_over_the_api(credits: Credits, served: Served) -> None:
    """Who asked may not, nor may anybody else who is not named; the audit says who did."""
    run = credits.ask(credits.file(served.customer.account, 10), by=SUPPORT_LEAD)
    approval = credits.waits(run)
    assert (approval.amount, approval.role) == (Money.of("250.00", "USD"), "support_lead")
    listed = credits.api(FINANCE).get("/approvals", {"status": "pending"})["approvals"]
    assert approval.id in [each["id"] for each in listed]
    assert credits.granted(served) == 250
    with pytest.raises(Failure, match="asked for the credit: somebody else has to decide"):
        credits.decide(approval, SUPPORT_LEAD)
    with pytest.raises(Failure, match=f"{AGENT} may not decide"):
        credits.decide(approval, AGENT)
    assert not credits.credit_notes(served)

    credits.decide(approval, FINANCE)

    assert run.wait_for_end() == {"status": "granted"}
    assert credits.told(run) == ("granted", "250.00 USD")
    assert credits.credited(served) == 250
    assert credits.actions(run) == [
        (SUPPORT_LEAD, "requested"),
        ("interlock", "computed"),
        ("interlock", "approval requested"),
        (FINANCE, "approved"),
        ("interlock", "concluded"),
    ]
    assert "approval.requested" in run.events
    assert "credit.approved" in run.events
    with pytest.raises(Failure, match=f"was approved before by {FINANCE}"):
        credits.decide(approval, SUPPORT_LEAD, "reject")


@pytest.mark.slow
def test_nobody_decides_in_time_and_then_somebody_by_a_link(
    credits: Credits, served: Served
) -> None:
    """The next tier is asked, and the first one may no longer decide; a look decides nothing."""
    run = credits.report(served, 10)
    first = credits.waits(run)
    run.wait_until(lambda: credits.approvals(run, "pending")[0].escalations)
    approval = credits.waits(run)
    assert (approval.id, approval.role, approval.escalations) == (first.id, "finance", 1)
    assert approval.due_at - first.due_at >= timedelta(hours=23)
    with pytest.raises(Failure, match=f"{SUPPORT_LEAD} may not decide"):
        credits.decide(approval, SUPPORT_LEAD)

    offered = credits.api(SUPPORT_LEAD).post(f"/approvals/{approval.id}/links", {"person": FINANCE})
    link = credits.cloud.api_url + offered["path"]
    answer = {"action": "approve", "reason": "as agreed"}
    assert "250.00 USD" in httpx.get(link).text
    assert httpx.post(f"{link}0", data=answer).status_code == 403
    assert credits.waits(run) == approval
    assert httpx.post(link, data=answer).status_code == 200

    assert run.wait_for_end() == {"status": "granted"}
    assert credits.actions(run)[2:] == [
        ("interlock", "approval requested"),
        ("interlock", "approval requested"),
        (SUPPORT_LEAD, "link made"),
        (FINANCE, "approved"),
        ("interlock", "concluded"),
    ]
    assert run.events.count("approval.escalated") == 1
    assert credits.credited(served) == 250


@dataclass(frozen=True)
class Way:
    """How a credit of 10 % reaches a customer: off what is due, to its balance, or refunded."""

    subsidiary: str
    total: int
    due: int
    balance: int
    refund: int
    pay: Callable[[Credits, Served], None]
    booked: dict[str, str]


def pays(credits: Credits, served: Served) -> None:
    """All of the invoice."""
    credits.billing.pay(served.invoice).wait_for_end()


def pays_a_part(credits: Credits, served: Served) -> None:
    """But for 82.50 USD."""
    credits.billing.pay_part(served.customer, served.invoice, 100000).wait_for_end()


def pays_and_leaves(credits: Credits, served: Served) -> None:
    """No invoice will come."""
    pays(credits, served)
    credits.leave(served)


PART = {"receivable": "-108.25", "revenue": "100.00", "tax": "8.25"}
PAID = {"receivable": "-11000", "revenue": "10000", "tax": "1000"}
LEFT = {"receivable": "-119.00", "revenue": "100.00", "tax": "19.00"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        pytest.param(Way(US, 10825, 8250, 2575, 0, pays_a_part, PART), id="partly-paid"),
        pytest.param(Way(JP, 11000, 0, 11000, 0, pays, PAID), id="paid", marks=SLOW),
        pytest.param(Way(DE, 11900, 0, 0, 11900, pays_and_leaves, LEFT), id="left", marks=SLOW),
    ],
)
def test_how_a_credit_reaches_the_customer(way: Way, credits: Credits, systems: Systems) -> None:
    """With the tax of the country that the invoice has charged."""
    served = credits.serve(100000, way.subsidiary)
    way.pay(credits, served)
    run = credits.report(served)
    assert run.wait_for_end() == {"status": "granted"}

    [note] = credits.credit_notes(served)
    refunded = sum(each["amount_refunded"] for each in note["refunds"])
    assert (note["total"], note["pre_payment_amount"]) == (way.total, way.due)
    assert (note["post_payment_amount"] - refunded, refunded) == (way.balance, way.refund)
    account = credits.billing.stripe.account
    assert account.customers[served.customer.stripe]["balance"] == -way.balance
    assert systems.erp.booked(note["id"]) == {
        role: D(amount) for role, amount in way.booked.items()
    }


# ---- What is refused


@pytest.mark.slow
def test_rejected(credits: Credits) -> None:
    """The case is told by whom and why; the cap is free, and nothing was issued."""
    served = credits.serve(posted=False)
    run = credits.report(served, 10)
    credits.decide(credits.waits(run), SUPPORT_LEAD, "reject")

    assert run.wait_for_end() == {"status": "rejected"}

    assert credits.told(run) == ("rejected",)
    assert f"{SUPPORT_LEAD}: as agreed" in credits.note(run)
    assert (credits.granted(served), credits.credit_notes(served)) == (0, [])
    assert credits.actions(run)[-2:] == [(SUPPORT_LEAD, "rejected"), ("interlock", "concluded")]
    assert run.events[-1] == "credit.refused"


def test_case_is_edited_after_the_approval_was_asked(credits: Credits) -> None:
    """What was approved is not what it is now; asked again it is computed and approved anew."""
    served = credits.serve(posted=False)
    run = credits.report(served, 10)
    approval = credits.waits(run)
    ended_at = f"{credits.tuesday + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    credits.desk.enter(run.case, by=credits.agent(), ended_at=ended_at)
    credits.decide(approval)

    assert run.wait_for_end() == {"status": "changed after approval"}

    assert credits.told(run) == ("changed after approval",)
    assert "The end changed after the credit was computed" in credits.note(run)
    assert (credits.granted(served), credits.credit_notes(served)) == (0, [])
    again = credits.ask(run.case)
    again.wait_until(lambda: credits.approvals(again, "approved"), jump=False)
    [approved] = credits.approvals(again, "approved")
    assert (approved.amount, approved.decision.by) == (Money.of("100.00", "USD"), "policy")
    assert credits.granted(served) == 100


NOT_ENTITLED = {
    "unknown to support": ({"account": None}, "carries no customer's id"),
    "unknown to billing": ({"account": "salesforce:001Hs0000Nobody"}, "was charged nothing"),
    "incomplete": ({"severity": "", "ended_at": ""}, "does not say when the incident ended"),
    "not severe": ({"severity": "minor"}, "gives nothing back for minor incidents"),
    "too late": ({"after": -24 * 60}, "The credit could be asked for until"),
    "another product": ({"products": "PLATFORM-ANNUAL"}, "was not charged PLATFORM-ANNUAL"),
}


@pytest.mark.slow
def test_not_entitled(credits: Credits) -> None:
    """Each case is told why not, and what to do; nobody is asked, nothing is reserved."""
    served = credits.serve(posted=False)
    runs = {}
    for reason, (entered, _) in NOT_ENTITLED.items():
        case = credits.file(**{"account": served.customer.account} | entered)
        runs[reason] = credits.ask(case)
    for reason, (_, says) in NOT_ENTITLED.items():
        run = runs[reason]
        assert run.wait_for_end() == {"status": "not entitled"}, reason
        assert credits.told(run) == ("not entitled",)
        assert says in credits.note(run)
        assert "Approve" not in run.states
        assert credits.actions(run) == [GRANTED[0], GRANTED[-1]]
        assert run.events == ["credit.requested", "credit.refused"]
    assert (credits.granted(served), credits.credit_notes(served)) == (0, [])


# ---- What counts once


@pytest.mark.slow
def test_incidents_count_together_and_once(credits: Credits, served: Served) -> None:
    """Two come to nothing alone and to something together; what overlaps them adds nothing."""
    first = credits.report(served, 0.4)
    assert first.wait_for_end() == {"status": "nothing due"}
    second = credits.report(served, 0.4, after=5)
    assert second.wait_for_end() == {"status": "granted"}
    assert "48 min down" in credits.note(second)

    overlapping = credits.report(served, 1, after=5.2)
    again = credits.ask(second.case)
    for run in (overlapping, again):
        assert run.wait_for_end() == {"status": "nothing due"}
        assert credits.told(run) == ("nothing due",)
        assert "granted before: 100.00 USD; left: 0.00 USD" in credits.note(run)
    assert "1 h 36 min down" in credits.note(overlapping)

    assert (credits.granted(served), credits.credited(served)) == (100, 100)
    assert credits.actions(again) == [*GRANTED[:2], GRANTED[-1]]


def test_parallel_requests_never_exceed_the_cap(credits: Credits) -> None:
    """Both computed the whole cap before either had reserved: the slower one computes again."""
    served = credits.serve(posted=False)
    with credits.broken("ReserveCapFunction"):
        runs = [credits.report(served, 40), credits.report(served, 40, after=45)]
        computed = [run.wait_for_exception().records["credit"]["amount"] for run in runs]
    assert [each["amount"] for each in computed] == ["300.00", "300.00"]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda run: run.resolve("retry"), runs))

    def settled(run: Request) -> bool:
        return bool(credits.approvals(run, "pending")) or run.status != "RUNNING"

    runs[0].wait_until(lambda: all(map(settled, runs)), jump=False)
    assert sorted(run.status for run in runs) == ["RUNNING", "SUCCEEDED"]
    [waiting] = [run for run in runs if run.status == "RUNNING"]
    [other] = [run for run in runs if run is not waiting]
    assert credits.told(other) == ("nothing due",)
    assert "cap: 30 % of all fees of the month, 1,000.00 USD, are 300.00 USD" in credits.note(other)
    assert other.count("ComputeCredit") == 2
    assert credits.granted(served) == 300


def test_same_request_is_told_by_everybody(credits: Credits) -> None:
    """By a sweep, by five deliveries at once and late, and by another sweep: one transaction."""
    served = credits.serve(posted=False)
    with credits.deliveries() as held:
        run = credits.report(served, 10)
    [delivery] = held
    credits.cloud.clock.advance(GRACE.total_seconds() + 1)
    swept = credits.call("SweepCasesFunction", {})
    assert f"zendesk:{run.case}" in swept["told"]
    approval = credits.waits(run)

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(delivery.send, [lambda seconds: None] * 5))
    # Who comes while another one is handled has to come again.
    assert {200} <= set(delivery.statuses) <= {200, 503}
    credits.settle()
    swept = credits.call("SweepCasesFunction", {})
    assert f"zendesk:{run.case}" not in swept["told"]
    assert credits.waits(run) == approval
    credits.decide(approval)
    run.wait_for_back_off("AwaitErpCreditMemo")
    delivery.send()
    credits.settle()

    assert credits.runs_of(f"zendesk-{run.case}") == [run.name]
    assert [note["subtotal"] for note in credits.credit_notes(served)] == [25000]


def test_forged_and_stale_webhooks_start_nothing(credits: Credits) -> None:
    """Nobody else's signature, no other body under ours, and none that is six minutes old."""
    with credits.deliveries() as held:
        run = credits.ask(credits.file("salesforce:001Hs0000Nobody"))
    [delivery] = held
    endpoint, body, headers = delivery.webhook["endpoint"], delivery.body, delivery.headers()
    signature = "X-Zendesk-Webhook-Signature"
    other = body.replace(f"zen:ticket:{run.case}".encode(), b"zen:ticket:1")
    assert other != body
    before = len(credits.executions())

    def post(content: bytes, headers: dict[str, str]) -> int:
        return httpx.post(endpoint, content=content, headers=headers).status_code

    assert post(body, {name: headers[name] for name in headers if name != signature}) == 401
    assert post(body, headers | {signature: headers[signature].swapcase()}) == 401
    assert post(other, headers) == 401
    credits.cloud.clock.advance(6 * 60)
    assert post(body, headers) == 401
    credits.settle()

    assert run.status is None
    assert len(credits.executions()) == before
    assert post(body, delivery.headers()) == 200
    assert run.wait_for_end() == {"status": "not entitled"}


# ---- What is rehearsed, and done again


@pytest.mark.slow
def test_dry_runs_write_nothing_and_replays_credit_nothing_twice(
    credits: Credits, served: Served
) -> None:
    """Before, and after: nothing waits for an answer any more, and what is granted stays so."""
    with credits.deliveries() as held:
        run = credits.report(served)
    event = credits.event_of(run)
    assert rehearse(credits, event) == ({"status": "dry run"}, [])

    held[0].send()
    assert run.wait_for_end() == {"status": "granted"}
    told, actions = credits.note(run), credits.actions(run)
    assert rehearse(credits, event) == ({"status": "not asked for"}, [])
    replayed = credits.replay(event, f"{run.name}-replay")
    assert replayed.wait_for_end() == {"status": "not asked for"}

    assert credits.told(run) == ("granted", "100.00 USD")
    assert (credits.note(run), credits.actions(run)) == (told, actions)
    assert (credits.granted(served), credits.credited(served)) == (100, 100)


@pytest.mark.slow
def test_rest_of_an_aborted_run_is_rehearsed_and_replayed(credits: Credits, served: Served) -> None:
    """What was approved is issued by the replay, once, and by the next one no more."""
    busy = {"path": "/preview$", "times": None, "retry_after": 900}
    credits.environment.stripe.fail(FaultKind.THROTTLE, **busy)
    run = credits.report(served)
    run.wait_for_back_off("IssueBillingCredit")
    credits.environment.stripe.heal()
    run.stop()
    rest = {"step": "IssueBillingCredit", "records": records_at(credits, run, "IssueBillingCredit")}
    event = credits.event_of(run)

    output, plans = rehearse(credits, event, **rest)
    assert output == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans] == [("issue_credit", "create")]

    for number in (1, 2):
        replayed = credits.replay(event, f"{run.name}-replay-{number}", **rest)
        assert replayed.wait_for_end() == {"status": "granted"}
        assert len(credits.credit_notes(served)) == 1
    assert len(credits.desk.notes(run.case)) == 1
    assert credits.actions(run) == GRANTED
