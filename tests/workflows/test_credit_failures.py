"""Each step of a credit fails: for a while, and for good until people repair it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from local.cli.errors import Failure
from local.cloud import appconfig
from local.contract_terms import deploy
from local.paths import CONTRACT_TERMS
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import credit_notes
from tests.workflows.breakages import events_refused
from tests.workflows.credits import FINANCE, SUPPORT_LEAD, Credits, Request, Served
from tests.workflows.systems import Systems

# Minutes of the real machine; `make test` has the ordinary ways.
pytestmark = pytest.mark.slow

READ = (FaultKind.UNAVAILABLE, FaultKind.THROTTLE)
WRITE = (FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE_AFTER_WRITE)
ALL = (*READ, *WRITE)
RETRY_AFTER = 77
LONG = 900


def assert_granted_once(
    credits: Credits, systems: Systems, served: Served, run: Request, *, told: bool = True
) -> None:
    """One credit note, one credit memo, one answer, one notice, and the audit of it."""
    [note] = credits.credit_notes(served)
    assert (note["status"], note["subtotal"]) == ("issued", 10000)
    assert systems.erp.traces(note["id"], f"{note['id']}/applied") == 2
    assert credits.granted(served) == 100
    if told:
        assert credits.told(run) == ("granted", "100.00 USD")
        assert len(credits.desk.notes(run.case)) == 1
        assert systems.crm.credit(served.customer.account)[0] == str(run.case)
    assert [action for _, action in credits.actions(run)] == [
        "requested",
        "computed",
        "approved",
        "concluded",
    ]
    assert run.events.count("credit.granted") == 1


def failures(run: Request, step: str) -> int:
    """How often a step failed."""
    states = run.states
    return sum(states[n : n + 2] == [step, "StepFailed"] for n in range(len(states)))


# ---- For a while

TICKET = r"/tickets/\d+$"
CALLS = [
    ("RefetchCase", "zendesk", "GET", TICKET, READ),
    ("RefetchCase", "zendesk", "GET", r"/tickets/\d+/audits$", READ),
    ("RefetchCase", "zendesk", "GET", r"/users/\d+$", READ),
    ("ReadBillingContext", "stripe", "GET", "/v1/invoices$", READ),
    ("ReadBillingContext", "stripe", "GET", "/v1/subscriptions$", READ),
    ("IssueBillingCredit", "stripe", "GET", "/v1/credit_notes/preview$", READ),
    # Stripe replays the failure that it once answered with, whatever was applied.
    ("IssueBillingCredit", "stripe", "POST", "/v1/credit_notes$", ALL),
    ("AwaitErpCreditMemo", "erp_proxy", "GET", r"/account.invoice/\d+$", READ),
    ("UpdateCase", "zendesk", "PUT", TICKET, ALL),
    ("UpdateCrm", "salesforce", "GET", "/query$", READ),
    ("UpdateCrm", "salesforce", "PATCH", "/Account/", (*WRITE, FaultKind.UNAVAILABLE)),
]


@pytest.mark.parametrize(("step", "sandbox", "method", "path", "kinds"), CALLS)
def test_failure_for_a_while(
    step: str,
    sandbox: str,
    method: str,
    path: str,
    kinds: tuple[FaultKind, ...],
    credits: Credits,
    served: Served,
    systems: Systems,
) -> None:
    """5xx, throttling, an answer lost before and after the write: one credit, by itself."""
    for kind in kinds:
        wish = RETRY_AFTER if kind is FaultKind.THROTTLE else None
        rule = {"method": method, "path": path, "retry_after": wish}
        getattr(credits.environment, sandbox).fail(kind, **rule)

    run = credits.report(served)

    assert run.wait_for_end() == {"status": "granted"}
    assert not run.exceptions("resolved")
    assert failures(run, step)
    assert_granted_once(credits, systems, served, run)


def test_reading_again_fails_for_a_while(
    credits: Credits, served: Served, systems: Systems
) -> None:
    """After the approval, as before it."""
    run = credits.report(served, 10)
    approval = credits.waits(run)
    for kind in READ:
        credits.environment.zendesk.fail(kind, method="GET", path=TICKET)
        credits.environment.stripe.fail(kind, method="GET", path="/v1/invoices$")
    credits.decide(approval)

    assert run.wait_for_end() == {"status": "granted"}
    assert failures(run, "RereadCase")
    assert failures(run, "RereadBillingContext")
    assert credits.credited(served) == 250


# ---- For good

# The function of each step, in the order of the process; None for what the machine does itself.
STEPS = {
    "RefetchCase": "GetCaseFunction",
    "RecordRequest": "RecordAuditFunction",
    "ReadBillingContext": "GetBillingContextFunction",
    "LoadContractTerms": "LoadContractTermsFunction",
    "ValidateEntitlement": "ValidateEntitlementFunction",
    "ComputeCredit": "ComputeCreditFunction",
    "ReserveCap": "ReserveCapFunction",
    "RecordComputation": "RecordAuditFunction",
    "Approve": "RequestApprovalFunction",
    "RereadCase": "GetCaseFunction",
    "VerifyApproval": "VerifyApprovalFunction",
    "RereadBillingContext": "GetBillingContextFunction",
    "ChooseInstrument": "ChooseInstrumentFunction",
    "IssueBillingCredit": "IssueCreditFunction",
    "AwaitErpCreditMemo": "GetCreditMemosFunction",
    "UpdateCase": "UpdateCaseFunction",
    "UpdateCrm": "NotifyCreditFunction",
    "RecordOutcome": "RecordAuditFunction",
    "PublishOutcome": None,
}


def broken(credits: Credits, function: str | None) -> AbstractContextManager[None]:
    """What makes a step fail."""
    return credits.broken(function) if function else events_refused(credits)


def test_each_step_fails_for_good(credits: Credits, served: Served, systems: Systems) -> None:
    """The platform's team is asked at each step in turn, and retry goes on after the repair."""
    steps = list(STEPS.items())
    with ExitStack() as defects:
        defects.enter_context(broken(credits, steps[0][1]))
        run = credits.report(served)
        for (step, _), (_, following) in zip(steps, [*steps[1:], (None, "")], strict=True):
            exception = run.wait_for_exception()
            assert (exception.step, exception.team) == (step, "Platform")
            assert "retry" in exception.actions
            repaired = defects.pop_all()
            if following != "":
                defects.enter_context(broken(credits, following))
            repaired.close()
            run.resolve("retry")
        assert run.wait_for_end() == {"status": "granted"}
    assert_granted_once(credits, systems, served, run)


# What is wrong with the facts: each is made before the run begins, says at which step it fails,
# with what, and who is asked, and is put right then.
Defect = Iterator[tuple[str, str, str]]


def key_expired(credits: Credits, served: Served) -> Defect:
    """Stripe's key; the platform's team renews it."""
    credits.environment.stripe.fail(FaultKind.EXPIRED_TOKEN, path="/v1/invoices$")
    yield "ReadBillingContext", "CredentialsRejected", "Platform"
    credits.environment.stripe.heal()


def no_subsidiary(credits: Credits, served: Served) -> Defect:
    """The invoice does not say whose books it belongs to."""
    with credits.billing.changed(served.invoice, parent=None):
        yield "ReadBillingContext", "BusinessRuleViolation", "Finance"


def no_terms(credits: Credits, served: Served) -> Defect:
    """Nothing is deployed in AppConfig; the platform's team deploys the signed terms."""
    appconfig.store.deployments.clear()
    credits.cloud.end_idle_processes("LoadContractTermsFunction")
    yield "LoadContractTerms", "ContractViolation", "Platform"
    resource = credits.cloud.resources.__getitem__
    deploy(credits.cloud.client("appconfig"), resource, CONTRACT_TERMS.read_bytes())


def too_little_left(credits: Credits, served: Served) -> Defect:
    """An earlier credit note has taken most of the invoice; Finance voids it."""
    with credits.billing.held_back():
        earlier, _ = credits.billing.credit(served.invoice, 95000)
    yield "ChooseInstrument", "BusinessRuleViolation", "Finance"
    with credits.billing.held_back():
        credits.billing.stripe.do(credit_notes.void, earlier["id"])


def fields_overwritten(credits: Credits, served: Served) -> Defect:
    """People entered something in the fields of the account that are ours; it is emptied."""
    account = served.customer.account.removeprefix("salesforce:")
    organization = credits.environment.organization
    organization.update("Account", account, {"Interlock_Credit_Amount__c": "a lot"})
    yield "UpdateCrm", "ContractViolation", "Platform"
    organization.update("Account", account, {"Interlock_Credit_Amount__c": None})


DEFECTS = [key_expired, no_subsidiary, no_terms, too_little_left, fields_overwritten]


@pytest.mark.parametrize("happens", DEFECTS)
def test_the_right_team_is_asked(
    happens: Callable[[Credits, Served], Defect],
    credits: Credits,
    served: Served,
    systems: Systems,
) -> None:
    """It puts right what is wrong, and retries."""
    defect = happens(credits, served)
    expected = next(defect)
    run = credits.report(served)
    exception = run.wait_for_exception()
    assert (exception.step, exception.error, exception.team) == expected
    assert next(defect, None) is None
    run.resolve("retry")

    assert run.wait_for_end() == {"status": "granted"}
    assert credits.told(run) == ("granted", "100.00 USD")
    assert credits.credited(served) == 100


def test_charged_in_two_currencies(credits: Credits, served: Served) -> None:
    """No sum of them can be capped: Finance takes the run back, and the case is told so."""
    account = credits.billing.stripe.account
    with credits.billing.held_back():
        start = int(credits.month.timestamp())
        other = credits.billing.subscribe(served.customer, seats=1, price=1000, start=start)
        credits.billing.finalize(account.invoices[other["latest_invoice"]])
    account.invoices[other["latest_invoice"]]["currency"] = "eur"
    run = credits.report(served)
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("ComputeCredit", "Finance")
    assert "was charged in EUR and USD" in exception.message
    run.resolve("compensate", reason="credited by hand")

    assert run.wait_for_end() == {"status": "cancelled"}
    assert credits.told(run) == ("cancelled",)
    assert "robin: credited by hand" in credits.note(run)
    assert (credits.granted(served), credits.credit_notes(served)) == (0, [])


def test_case_that_is_not_there(credits: Credits) -> None:
    """Support is asked; nobody can be told of what is given up."""
    request = credits.ask(credits.file(None))
    request.wait_for_end()
    event = credits.event_of(request).model_copy(update={"subject": "zendesk:999999"})
    run = credits.replay(event, "zendesk-999999-1")
    for step, decision in (("RefetchCase", "compensate"), ("UpdateCase", "skip")):
        exception = run.wait_for_exception()
        assert (exception.step, exception.error) == (step, "RecordNotFound")
        assert exception.team == "Support"
        run.resolve(decision)
    assert run.wait_for_end() == {"status": "cancelled"}


def test_closed_ticket_cannot_be_told(credits: Credits, served: Served, systems: Systems) -> None:
    """Support is asked, tells the customer in a follow-up ticket, and skips the step."""
    credits.environment.stripe.fail(
        FaultKind.THROTTLE, path="/preview$", times=None, retry_after=LONG
    )
    run = credits.report(served)
    run.wait_for_back_off("IssueBillingCredit")
    credits.desk.edit(run.case, by=credits.agent(), status="closed")
    credits.environment.stripe.heal()

    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("UpdateCase", "Support")
    assert "is closed, and cannot be changed" in exception.message
    run.resolve("skip", reason="told in a follow-up")
    assert run.wait_for_end() == {"status": "granted"}
    assert credits.desk.entered(run.case)["status"] is None
    assert_granted_once(credits, systems, served, run, told=False)


def test_account_that_sales_do_not_have(credits: Credits, served: Served, systems: Systems) -> None:
    """What sales are told is theirs to enter: it may be left out."""
    account = served.customer.account.removeprefix("salesforce:")
    credits.environment.organization.delete("Account", account)
    run = credits.report(served)
    exception = run.wait_for_exception()
    assert (exception.step, exception.error) == ("UpdateCrm", "RecordNotFound")
    assert exception.team == "RevOps"
    run.resolve("skip", reason="is gone")
    assert run.wait_for_end() == {"status": "granted"}
    assert_granted_once(credits, systems, served, run, told=False)


def test_invoice_is_credited_by_hand_meanwhile(credits: Credits, served: Served) -> None:
    """Between the choice and the credit: Finance is asked, and links its own credit note."""
    credits.environment.stripe.fail(
        FaultKind.THROTTLE, path="/preview$", times=None, retry_after=LONG
    )
    run = credits.report(served)
    run.wait_for_back_off("IssueBillingCredit")
    # All but 50.00 of it.
    credits.environment.stripe.heal()
    by_hand, posting = credits.billing.credit(served.invoice, 95000)
    posting.wait_for_end()
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("IssueBillingCredit", "Finance")
    assert "earlier credit notes have left 50.00 USD" in exception.message
    [credit] = exception.records["credits"]

    run.resolve("link", remote_id=by_hand["id"], record=credit["id"], reason="it is in there")

    assert run.wait_for_end() == {"status": "granted"}
    assert credits.credit_notes(served) == [by_hand]
    assert by_hand["number"] in credits.note(run)


# ---- Approvals


@pytest.mark.parametrize("resource", ["AUDIT_TABLE", "INTEGRATION_BUS"])
@pytest.mark.parametrize("hours", [1, 10], ids=["by-policy", "by-a-person"])
def test_asking_fails_between_its_lines(
    hours: int, resource: str, credits: Credits, served: Served
) -> None:
    """What is asked is stored already: asked again it is the same, and told once."""
    with credits.without("RequestApprovalFunction", resource):
        run = credits.report(served, hours)
        exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("Approve", "Platform")
    approvals = credits.approvals(run, "pending" if hours == 10 else "approved")
    assert len(approvals) == 1
    run.resolve("retry")
    if hours == 10:
        assert credits.waits(run).id == approvals[0].id
        credits.decide(approvals[0])

    assert run.wait_for_end() == {"status": "granted"}
    actions = [action for _, action in credits.actions(run)]
    assert actions.count("approval requested") == (hours == 10)
    assert actions.count("approved") == 1
    assert run.events.count("credit.approved") == 1
    assert len(credits.credit_notes(served)) == 1


def test_decided_while_asking_fails(credits: Credits, served: Served) -> None:
    """Nobody waits for the answer: the next attempt finds the decision."""
    with credits.without("RequestApprovalFunction", "AUDIT_TABLE"):
        run = credits.report(served, 10)
        run.wait_for_exception()
    [approval] = credits.approvals(run, "pending")
    credits.decide(approval)
    assert run.wait_for_exception().step == "Approve"
    run.resolve("retry")

    assert run.wait_for_end() == {"status": "granted"}
    assert [actor for actor, action in credits.actions(run) if action == "approved"] == [
        SUPPORT_LEAD
    ]


@pytest.mark.parametrize("resource", ["AUDIT_TABLE", "INTEGRATION_BUS"])
def test_deciding_fails_between_its_lines(resource: str, credits: Credits, served: Served) -> None:
    """The person's second attempt completes it; another person's other decision is too late."""
    run = credits.report(served, 10)
    approval = credits.waits(run)
    with (
        credits.without("DecideApprovalFunction", resource),
        pytest.raises(Failure, match="status 50"),
    ):
        credits.decide(approval)
    assert run.status == "RUNNING"
    assert "IsApproved" not in run.states
    with pytest.raises(Failure, match=f"was approved before by {SUPPORT_LEAD}"):
        credits.decide(approval, FINANCE, "reject")
    credits.decide(approval)

    assert run.wait_for_end() == {"status": "granted"}
    assert [actor for actor, action in credits.actions(run) if action == "approved"] == [
        SUPPORT_LEAD
    ]
    assert run.events.count("approval.decided") == 1


def test_nobody_ever_decides(credits: Credits, served: Served) -> None:
    """Each tier is asked in turn, the last one again; then Finance, and still one may decide."""
    run = credits.report(served, 10)
    exception = run.wait_for_exception()
    assert (exception.step, exception.error) == ("Approve", "States.Timeout")
    assert exception.team == "Finance"
    [approval] = credits.approvals(run, "pending")
    assert (approval.role, approval.escalations) == ("cfo", 7)
    run.resolve("retry")
    run.wait_until(lambda: credits.approvals(run, "pending")[0].escalations == 8, jump=False)
    credits.decide(credits.waits(run), "cfo@interlock.example")
    assert run.wait_for_end() == {"status": "granted"}


# ---- The books, and the webhook


def test_erp_is_down_for_long(credits: Credits, served: Served, systems: Systems) -> None:
    """After billing succeeded the run goes forward: it waits, people are asked, nothing is void."""
    credits.environment.erp_proxy.fail(FaultKind.UNAVAILABLE, times=None)
    run = credits.report(served)
    exception = run.wait_for_exception()
    assert (exception.step, exception.error) == ("AwaitErpCreditMemo", "NotYetPosted")
    assert exception.team == "Finance"
    assert failures(run, "AwaitErpCreditMemo") == 16
    [note] = credits.credit_notes(served)
    posting = credits.billing.run(note["id"], "credit-note-issued")
    assert posting.wait_for_exception().team == "Platform"
    assert not systems.erp.traces(note["id"])

    credits.environment.erp_proxy.heal()
    posting.resolve("retry")
    posting.wait_for_end()
    run.resolve("retry")

    assert run.wait_for_end() == {"status": "granted"}
    assert "VoidBillingCredit" not in run.states
    assert_granted_once(credits, systems, served, run)


def test_books_are_left_behind(credits: Credits, systems: Systems) -> None:
    """Finance enters the credit memo by hand: the run goes on without it."""
    served = credits.serve(posted=False)
    run = credits.report(served)
    assert run.wait_for_exception().step == "AwaitErpCreditMemo"
    run.resolve("skip", reason="entered by hand")
    assert run.wait_for_end() == {"status": "granted"}
    assert credits.told(run) == ("granted", "100.00 USD")
    assert credits.actions(run)[-1] == ("interlock", "concluded")


def test_webhook_does_not_arrive(credits: Credits, served: Served) -> None:
    """It fails, Zendesk gives it up, and the sweep tells of the request."""
    with credits.broken("ZendeskFunction"), credits.deliveries() as held:
        run = credits.report(served)
        held[0].send(lambda seconds: None)
    assert set(held[0].statuses) & {502, 503}
    assert run.status is None
    credits.cloud.clock.advance(3600)
    credits.call("SweepCasesFunction", {})
    assert run.wait_for_end() == {"status": "granted"}
    assert credits.credited(served) == 100
