"""The events of the cap, the audit and the approvals: a case, its terms and its credit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from interlock.canonical import Money
from interlock.canonical.credits import Case, ComputedCredit, Incident, MonthCredit, Severity
from interlock.links import Link, Links
from interlock.rules.approval import Subject
from interlock.rules.approval_policy import ApprovalPolicy, ApprovalTier
from interlock.rules.contract_terms import AppliedTerms, ServiceTerms, ServiceTier
from interlock.rules.question import approval_id

from local.samples.aws import plain, request

RUN = "zendesk-4711-1794475200"
DUE = datetime(2026, 11, 4, 17, 0, tzinfo=UTC)
ACCOUNT = "salesforce:001Hs00000LarkRIAS"
CASE = "zendesk:4711"
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
AGENT, LEAD, HEAD = (
    "agent@interlock.example",
    "support-lead@interlock.example",
    "finance@interlock.example",
)
STARTED = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
ENDED = datetime(2026, 11, 3, 20, 0, tzinfo=UTC)

POLICY = ApprovalPolicy(
    automatic_up_to={"EUR": Decimal(100)},
    tiers=(
        ApprovalTier(role="support lead", up_to={"EUR": Decimal(1000)}),
        ApprovalTier(role="finance"),
    ),
    approvers={"support lead": (LEAD, AGENT), "finance": (HEAD,)},
    hours=8,
)
TERMS = AppliedTerms(
    version="2026-11",
    document="f" * 64,
    agreement="standard",
    service=ServiceTerms(
        severities=(Severity.CRITICAL,),
        tiers=(ServiceTier(below=Decimal("99.9"), percent=Decimal(10)),),
        cap_percent=Decimal(50),
        claim_days=30,
    ),
    approval=POLICY,
)


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    told = {"case": case(), "terms": TERMS, "credit": credit()}
    subject_hash = Subject.of(**told).fingerprint()
    id = approval_id(RUN, subject_hash)
    entry = {"actor": AGENT, "action": "requested", "facts": {"case": case()}}
    commands: dict[str, dict[str, Any]] = {
        "workflow/reserve_cap": {"credit": credit()},
        "workflow/release_cap": {},
        "workflow/record_audit": {"case_id": CASE, "entry": entry},
        "approvals/request_approval": {"token": "a task token", **told},
    }
    link = Link(approval=id, person=LEAD, subject=subject_hash, until=int(DUE.timestamp()))
    address = Links(b"not the secret of any deployment").address(link)
    decision = {"action": "approve", "reason": "checked", "subject_hash": subject_hash}
    requests = {
        "approvals/list_approvals": request("GET", "/approvals", query={"status": "pending"}),
        "approvals/decide_approval": request(
            "POST", "/approvals/{id}/decision", parameters={"id": id}, body=decision
        ),
        "approvals/create_link": request(
            "POST", "/approvals/{id}/links", parameters={"id": id}, body={"person": LEAD}
        ),
        "approvals/approval_link": request(
            "GET", "/approvals/link", query=dict(parse_qsl(urlsplit(address).query)), person=None
        ),
    }
    return {
        name: plain({"correlation_id": RUN} | command) for name, command in commands.items()
    } | requests


def eur(amount: Decimal | int | str) -> Money:
    """An amount of the samples' currency."""
    return Money.of(amount, "EUR")


def incident(**values: Any) -> Incident:
    """Half a day in November."""
    given = {
        "case_id": CASE,
        "severity": Severity.CRITICAL,
        "started_at": STARTED,
        "ended_at": ENDED,
    }
    return Incident(**(given | values))


def month(
    amount: Decimal | int | str,
    *,
    of: date = NOVEMBER,
    cap: int = 500,
    before: Decimal | int | str = 0,
    revision: int = 0,
) -> MonthCredit:
    """What a month comes to, as it was computed with the allowance's revision."""
    return MonthCredit(
        month=of,
        products=(),
        due=eur(amount),
        cap=eur(cap),
        granted_before=eur(before),
        amount=eur(amount),
        revision=revision,
    )


def credit(*months: MonthCredit, **values: Any) -> ComputedCredit:
    """A credit of these months; of 250 EUR in November, when none is given."""
    months = months or (month(250),)
    given = {
        "account_id": ACCOUNT,
        "amount": Money.total((each.amount for each in months), "EUR"),
        "incident": incident(),
        "months": months,
        "working": ("The month's fee is 2,500.00 EUR, of which 10 % is due.",),
    }
    return ComputedCredit(**(given | values))


def case(**values: Any) -> Case:
    """The case as an agent filled it in."""
    given = {
        "id": CASE,
        "number": "4711",
        "subject": "API was down",
        "status": "open",
        "account_id": ACCOUNT,
        "severity": Severity.CRITICAL,
        "started_at": STARTED,
        "ended_at": ENDED,
        "requested_by": AGENT,
        "requested_at": datetime(2026, 11, 4, 9, 0, tzinfo=UTC),
    }
    return Case(**(given | values))
