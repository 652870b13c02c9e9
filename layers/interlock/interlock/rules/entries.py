"""Which journal entry a refund, a dispute and a payout are: debits and credits, by their purpose.

| what happened | debit | credit |
| --- | --- | --- |
| a refund | receivable: settles its credit note | clearing |
| a dispute takes a payment back | disputed | clearing |
| a dispute is won | clearing | disputed |
| a dispute is lost | dispute losses | disputed |
| a payout | bank, fees | clearing |

The clearing account holds the billing system's balance before fees: what was paid and has not
reached the bank. Fees are booked with the payout that they were taken from.
"""

from __future__ import annotations

from datetime import date

from interlock.canonical import Money
from interlock.canonical.billing import Dispute, DisputeOutcome, Invoice, Payment, Payout, Refund
from interlock.canonical.books import CustomerCredit, Entry, EntryLine, LedgerRole
from interlock.errors import BusinessRuleViolation
from interlock.rules.payout import CLOSED, Matching


def check_received(payment: Payment) -> None:
    """Raises BusinessRuleViolation for a payment that never came into the billing system.

    Only Finance knows on which bank account it is.
    """
    if payment.settled is None:
        raise BusinessRuleViolation(
            [
                f"{payment.amount} of invoice {payment.invoice_id} were paid outside the billing"
                " system: enter the receipt in the ERP, and link it"
            ],
            operation="apply_payment",
            record=payment.id,
        )


def of_customer_credit(invoice: Invoice) -> CustomerCredit:
    """How much of the customer's own credit pays an invoice.

    Raises BusinessRuleViolation where a debt is carried from one invoice to another on the
    customer's balance: that settles invoices by each other, which the books do not follow.
    """
    debt = invoice.debt_carried
    if debt.amount:
        put_off = f"{debt} of it are" if debt.amount > 0 else f"with it {-debt} are due that were"
        raise BusinessRuleViolation(
            [
                f"{invoice.number}: {put_off} put off as a debt on the customer's balance in"
                f" billing, and {invoice.balance_applied} of credit pay it: settle it in the ERP by"
                " hand, and skip this"
            ],
            operation="apply_customer_credit",
            record=invoice.id,
        )
    return CustomerCredit(id=invoice.id, amount=invoice.balance_applied)


def of_refund(refund: Refund, subsidiary: str, posting_date: date) -> Entry:
    """The customer gets the money back that a credit note promised.

    Raises BusinessRuleViolation for a refund without a credit note: what was sold would stay
    revenue.
    """
    if refund.credit_note_id is None:
        raise _violation(
            refund.id,
            f"the refund of {refund.amount} has no credit note: issue one for its invoice in the"
            " billing system, with this refund, and retry",
        )
    return Entry(
        id=refund.id,
        subsidiary=subsidiary,
        posting_date=posting_date,
        description="Refund",
        lines=_lines(
            (LedgerRole.RECEIVABLE, refund.amount), (LedgerRole.CLEARING, -refund.settled)
        ),
        customer_id=refund.customer_id,
        settles=refund.credit_note_id,
    )


def of_dispute(dispute: Dispute, subsidiary: str, posting_date: date) -> Entry:
    """The money is taken back, for the time being."""
    return Entry(
        id=dispute.id,
        subsidiary=subsidiary,
        posting_date=posting_date,
        description="Dispute opened",
        lines=_lines(
            (LedgerRole.DISPUTED, dispute.withdrawn), (LedgerRole.CLEARING, -dispute.withdrawn)
        ),
    )


def of_decision(dispute: Dispute, subsidiary: str, posting_date: date) -> Entry:
    """The dispute is decided: the money comes back, or it is lost."""
    won = dispute.outcome == DisputeOutcome.WON
    role = LedgerRole.CLEARING if won else LedgerRole.DISPUTE_LOSSES
    amount = dispute.reinstated if won else dispute.withdrawn
    return Entry(
        id=f"{dispute.id}{CLOSED}",
        subsidiary=subsidiary,
        posting_date=posting_date,
        description=f"Dispute {dispute.outcome}",
        lines=_lines((role, amount), (LedgerRole.DISPUTED, -amount)),
    )


def of_payout(payout: Payout, matching: Matching, posting_date: date) -> Entry:
    """The money reaches the bank, less what the billing system keeps.

    Raises BusinessRuleViolation when the lines do not add up to the payout, or do not agree with
    the books: a break, with the lines that differ.
    """
    problems = list(matching.differences)
    if matching.untold:
        problems.append(f"{matching.untold} more of its lines differ")
    if matching.net(payout.amount.currency) != payout.amount:
        problems.append(
            f"its lines add up to {matching.net(payout.amount.currency)}, it is {payout.amount}"
        )
    if matching.subsidiary is None:
        problems.append("none of its lines is in a subsidiary's books")
    if problems:
        problems = [f"payout of {payout.amount} on {payout.arrives_on}: {p}" for p in problems]
        raise BusinessRuleViolation(problems, operation="prepare_posting", record=payout.id)
    gross = matching.gross or Money.of(0, payout.amount.currency)
    fees = matching.fees or Money.of(0, payout.amount.currency)
    return Entry(
        id=payout.id,
        subsidiary=matching.subsidiary,
        posting_date=posting_date,
        description="Payout",
        lines=_lines(
            (LedgerRole.BANK, payout.amount), (LedgerRole.FEES, fees), (LedgerRole.CLEARING, -gross)
        ),
    )


def _lines(*lines: tuple[LedgerRole, Money]) -> tuple[EntryLine, ...]:
    return tuple(EntryLine(role=role, amount=amount) for role, amount in lines if amount.amount)


def _violation(record: str, problem: str) -> BusinessRuleViolation:
    return BusinessRuleViolation([problem], operation="prepare_posting", record=record)
