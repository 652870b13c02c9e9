"""How a transaction of each workflow begins: all that the harness needs to know of a workflow."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from local.environment import LocalEnvironment
from local.faults import billing_scenarios, credit_scenarios, renewal_scenarios
from local.faults.transaction import Transaction
from local.sandboxes.salesforce_seed import USD_DEAL, DealSample, close_won, create_deal

_numbers = itertools.count(1)


def lead_to_order(environment: LocalEnvironment, sample: DealSample = USD_DEAL) -> Transaction:
    """A deal of its own, then it is won.

    The first sample has a parent account, recurring and services lines.
    """
    organization = environment.organization
    # It was entered long ago: the events of that are not part of the transaction.
    publish, organization.on_change = organization.on_change, None
    with organization.transaction():
        deal = create_deal(organization, sample, suffix=f"No{next(_numbers)}")
    organization.on_change = publish
    return lead_to_order_of(environment, deal)


def lead_to_order_of(environment: LocalEnvironment, deal: str) -> Transaction:
    """A deal that is there already, then it is won."""
    organization = environment.organization
    ids = [deal]
    account = organization.get("Opportunity", deal)["AccountId"]
    while account:
        ids.append(account)
        account = organization.get("Account", account)["ParentId"]
    records = tuple(f"salesforce:{each}" for each in ids)
    return Transaction(deal, records, lambda: close_won(organization, deal))


@dataclass(frozen=True)
class Beginning:
    """How transactions of a workflow begin that all go one way.

    `begin` makes one; when the function `refused` is refused for good, a team may take it back.
    """

    begin: Callable[[LocalEnvironment], Transaction]
    refused: str | None = None


BEGINNINGS = {
    "case_to_credit.automatic": Beginning(credit_scenarios.automatic, "GetCreditMemosFunction"),
    "case_to_credit.approved": Beginning(credit_scenarios.approved, "GetCreditMemosFunction"),
    "case_to_credit.rejected": Beginning(credit_scenarios.rejected),
    "case_to_credit.refused": Beginning(credit_scenarios.refused),
    "lead_to_order": Beginning(lead_to_order, "VerifyWriteBackFunction"),
    "renewal.amended": Beginning(renewal_scenarios.amended, "WriteBackOrderFunction"),
    "renewal.silent": Beginning(renewal_scenarios.silent, "WriteBackOrderFunction"),
    "renewal.won": Beginning(renewal_scenarios.won, "WriteBackOrderFunction"),
    "renewal.lost": Beginning(renewal_scenarios.lost),
    "service_change": Beginning(renewal_scenarios.service_change),
    "subscription_billing.invoice": Beginning(billing_scenarios.invoice, "VerifyTotalsFunction"),
    "subscription_billing.credit_note": Beginning(
        billing_scenarios.credit_note, "VerifyTotalsFunction"
    ),
    "subscription_billing.credited_invoice": Beginning(billing_scenarios.credited_invoice),
    "subscription_billing.payment": Beginning(billing_scenarios.payment),
    "subscription_billing.refund": Beginning(billing_scenarios.refund),
    "subscription_billing.dispute": Beginning(billing_scenarios.dispute),
    "subscription_billing.payout": Beginning(billing_scenarios.payout),
    "subscription_billing.dunning": Beginning(billing_scenarios.dunning),
    "subscription_billing.usage": Beginning(billing_scenarios.usage),
}
"""By the name of the workflow's definition, and of the way through it where it has several."""
