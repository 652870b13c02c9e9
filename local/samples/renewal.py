"""The events of renewal operations: the year after the demo's deal in dollars was won.

The contract is what the rules make of that deal, and each event after it what they make of those
before; what the systems say of the customer is an example.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from interlock.canonical import Money, Opportunity
from interlock.canonical.contracts import Contract, QuotedDeal
from interlock.canonical.customer_view import (
    CustomerView,
    OpenCases,
    Reading,
    Receivables,
    RecurringRevenue,
    Relationship,
)
from interlock.canonical.records import DealKind
from interlock.events import renewal_due
from interlock.rules import contract_change, entitlements
from interlock.rules.contract_terms import AppliedTerms, ContractTerms
from interlock.rules.renewal_decision import Renewal, decide
from interlock.rules.renewal_price import price

from local.paths import CONTRACT_TERMS
from local.samples import lead_to_order
from local.samples.aws import delivered, message, plain, request

OPERATOR = "revops@interlock.example"
WOKEN = "2c8e1f7a-4d27-4f0e-8f58-5a4f6f7f3c10"


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    won = lead_to_order.sold()
    contract = contract_change.signed(won.deal, won.order, _terms().renewal).after
    terms = _terms(contract.account_id)
    due = renewal_due(contract.id, contract.ends_on, days=120, at=_morning(contract.ends_on, 120))
    deal = _renewal_of(won.deal, contract)
    quote = price(contract, terms.renewal, deal)
    view = _view(contract, due.occurred_at)
    facts = {"contract": contract, "terms": terms, "deal": deal}
    undecided = {"approval": None, "quoted": quote.offer(), "notice": None}
    decision = decide(
        Renewal(
            contract=contract,
            policy=terms.renewal,
            view=view,
            deal=deal,
            quote=quote,
            now=_morning(contract.ends_on, 80),
            **undecided,
        )
    )
    change = contract_change.renewed(contract, quote, deal.model_copy(update={"is_won": True}))
    upsell = _amendment_of(won.deal, contract)
    asked = price(contract, terms.renewal, deal.model_copy(update={"discount": Decimal(10)}))
    service = entitlements.assess(contract.account_id, [contract], None, contract.starts_on)
    account = {"account_id": contract.account_id}
    payer = {"account_id": contract.bill_to}
    named = {"contract_id": contract.id}
    told = {"service": service, "round": 0}
    commands: dict[str, dict[str, Any]] = {
        "contracts/get_contract": named,
        "contracts/record_contract": {"opportunity": won.deal, "order": won.order},
        "contracts/retire_contract": {"order_id": won.order.id},
        "contracts/amend_contract": {"change": change},
        "contracts/revert_contract": {"change": change, "renews": contract.id},
        "contracts/plan_milestones": {"contract": change.after},
        "contracts/await_change": {"token": "a task token", **named, "deal_id": deal.id},
        "workflow/build_customer_view": account
        | {"parts": {"crm": view.crm.content, "support": view.support.content}},
        "workflow/price_renewal": facts | {"rejected": None},
        "workflow/decide_renewal": facts | {"view": view, "quote": quote} | undecided,
        "workflow/plan_amendment": {"contract": contract, "deal": upsell},
        "workflow/assess_service": account,
        "crm/open_renewal": {"contract": contract},
        "crm/close_renewal": named | {"renewal_id": contract.renewal_id},
        "crm/quote_renewal": {
            "quoted": QuotedDeal(deal_id=deal.id, quote=quote, summary=decision.reasons[0]),
            "round": 0,
        },
        "crm/get_relationship": account,
        "crm/show_service": told,
        "billing/amend_subscription": {"contract": change.after},
        "billing/get_recurring_revenue": payer,
        "billing/get_final_invoice": named,
        "erp/get_receivables": payer,
        "support/get_open_cases": account,
        "support/send_notice": {"notice": decision.notice},
        "support/withdraw_notice": {"notice_id": contract.renewal_id},
        "support/show_service": told,
        "approvals/request_renewal_approval": {
            "token": "a task token",
            "contract": contract,
            "quote": asked,
            "terms": terms,
        },
    }
    happened = {
        "version": "0",
        "detail-type": due.type,
        "source": due.source,
        "time": due.occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [],
        "detail": due,
    }
    woken = message("interlock-wake", delivered(plain(happened), WOKEN), due.occurred_at)
    run = {"correlation_id": due.correlation_id}
    return {name: plain(run | command) for name, command in commands.items()} | {
        "contracts/wake_renewals": woken,
        "contracts/sweep_contracts": {"dry_run": True},
        "api/change_service": request(
            "POST",
            "/accounts/{id}/service",
            parameters={"id": contract.account_id},
            body={"action": "suspend", "reason": "A security incident: see case 4711."},
            person=OPERATOR,
        ),
    }


def _terms(account_id: str | None = None) -> AppliedTerms:
    return ContractTerms.model_validate_json(CONTRACT_TERMS.read_text()).of(account_id)


def _morning(day: date, days_before: int) -> datetime:
    return datetime.combine(day - timedelta(days=days_before), time(6), UTC)


def _renewal_of(deal: Opportunity, contract: Contract) -> Opportunity:
    """The deal of its renewal as it is opened: nothing is on it yet."""
    return deal.model_copy(
        update={
            "id": "salesforce:006Hs00000DealUReAG",
            "name": f"{deal.name}: renewal",
            "kind": DealKind.RENEWAL,
            "contract_id": contract.id,
            "is_won": False,
            "start_date": contract.ends_on,
            "lines": (),
            "amount": Money.of(0, deal.currency),
        }
    )


def _amendment_of(deal: Opportunity, contract: Contract) -> Opportunity:
    """Five more seats, half a year after the contract began."""
    [seats] = [line for line in deal.lines if line.sku == "SEAT-ANNUAL"]
    line = seats.model_copy(
        update={
            "number": 1,
            "quantity": Decimal(5),
            "amount": seats.unit_price.times(Decimal(5)),
        }
    )
    return deal.model_copy(
        update={
            "id": "salesforce:006Hs00000DealUMoAG",
            "name": f"{deal.name}: five more seats",
            "kind": DealKind.AMENDMENT,
            "contract_id": contract.id,
            "start_date": contract.starts_on + timedelta(days=181),
            "lines": (line,),
            "amount": line.amount,
        }
    )


def _view(contract: Contract, at: datetime) -> CustomerView:
    yearly = contract.yearly_on(contract.starts_on)
    nothing = Money.of(0, contract.currency)
    return CustomerView(
        account_id=contract.account_id,
        crm=Reading(content=Relationship(owner="mara.osei", open_deals=()), read_at=at),
        billing=Reading(
            content=RecurringRevenue(subscriptions=1, yearly=(yearly,), credit_balance=(nothing,)),
            read_at=at,
        ),
        erp=Reading(
            content=Receivables(owed=(nothing,), overdue=(nothing,), overdue_since=None),
            read_at=at,
        ),
        support=Reading(content=OpenCases(open=1, severe=()), read_at=at),
    )
