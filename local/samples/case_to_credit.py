"""The events of case to credit: the platform was down for three hours, in November.

What the billing system answers is an example; the rest is what the rules make of it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from interlock.canonical import Money
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.credits import (
    BillingContext,
    Case,
    ChargedInvoice,
    ChargedLine,
    CreditNotice,
    CreditOutcome,
    CreditStatus,
    Severity,
)
from interlock.rules.allowance import Allowance
from interlock.rules.contract_terms import ContractTerms
from interlock.rules.credit_computation import compute, months_of
from interlock.rules.instrument import choose

from local.paths import ROOT
from local.samples.aws import plain

CUSTOMER = "salesforce:001Hs00000LarkRIAS"
RUN = "zendesk-4711-1795683600"
TERMS = ROOT / "functions" / "workflow" / "load_contract_terms" / "contract_terms.json"
NOVEMBER = date(2026, 11, 1)


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    case, context = _case(), _context()
    terms = ContractTerms.model_validate_json(TERMS.read_text()).of(CUSTOMER)
    unused = tuple(
        Allowance(account_id=CUSTOMER, currency="USD", month=month) for month in months_of(case)
    )
    credit = compute(case, context, terms, unused, transaction=RUN)
    facts = {"case": case, "context": context, "terms": terms}
    credits = choose(credit, case, context, terms, transaction=RUN)
    number = "00000005-0001-CN-01"
    outcome = CreditOutcome(
        case_id=case.id,
        transaction=RUN,
        status=CreditStatus.GRANTED,
        amount=credit.amount,
        documents=(number,),
        reasons=credit.working,
    )
    notice = CreditNotice(
        account_id=CUSTOMER,
        case_number=case.number,
        amount=credit.amount,
        documents=(number,),
        granted_on=date(2026, 11, 26),
    )
    incident = {"started_at": case.started_at, "ended_at": case.ended_at}
    commands: dict[str, dict[str, Any]] = {
        "support/get_case": {"case_id": case.id},
        "support/update_case": {"outcome": outcome},
        "billing/get_billing_context": {"account_id": CUSTOMER, **incident},
        "billing/issue_credit": {"credits": credits},
        "billing/void_credit": {"credits": credits},
        "erp/get_credit_memos": {"credit_note_ids": ["stripe:cn_00000000000033"]},
        "crm/notify_credit": {"notice": notice},
        "workflow/load_contract_terms": {"account_id": CUSTOMER},
        "workflow/validate_entitlement": facts,
        "workflow/compute_credit": facts,
        "workflow/verify_approval": {
            "case": case,
            "case_now": case,
            "terms": terms,
            "credit": credit,
        },
        "workflow/choose_instrument": facts | {"credit": credit},
    }
    return {name: plain({"correlation_id": RUN} | command) for name, command in commands.items()}


def _case() -> Case:
    return Case(
        id="zendesk:4711",
        number="4711",
        subject="The platform is down",
        status="solved",
        account_id=CUSTOMER,
        severity=Severity.CRITICAL,
        started_at=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
        ended_at=datetime(2026, 11, 24, 12, 10, tzinfo=UTC),
        skus=("PLATFORM-ANNUAL",),
        requested_by="agent@interlock.example",
        requested_at=datetime(2026, 11, 26, 9, 0, tzinfo=UTC),
    )


def _context() -> BillingContext:
    lines = tuple(
        ChargedLine(
            remote_id=f"il_{number}",
            sku=sku,
            description=f"1 x {name}, annual subscription",
            amount=Money.of(amount, "USD"),
            creditable=Money.of(amount, "USD"),
            service_period=ServicePeriod(first_day=NOVEMBER, last_day=date(2027, 10, 31)),
        )
        for number, sku, name, amount in (
            (1, "PLATFORM-ANNUAL", "Platform", "24000.00"),
            (2, "SEAT-ANNUAL", "Seat", "12000.00"),
        )
    )
    invoice = ChargedInvoice(
        id="stripe:in_00000000000007",
        number="00000005-0001",
        subsidiary="TESSALINE-US",
        currency="USD",
        due=Money.of("0.00", "USD"),
        refundable=Money.of("38970.00", "USD"),
        lines=lines,
    )
    return BillingContext(account_id=CUSTOMER, is_active=True, invoices=(invoice,))
