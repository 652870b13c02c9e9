"""What people are asked to approve, of either kind: a credit, or a renewal's discount."""

from __future__ import annotations

import hashlib
from typing import Literal

from interlock.canonical.base import Canonical, RecordId, Text
from interlock.canonical.contracts import Contract, RenewalQuote
from interlock.canonical.credits import Case, ComputedCredit
from interlock.canonical.money import Money
from interlock.rules.approval import Subject
from interlock.rules.approval_policy import ApprovalPolicy
from interlock.rules.contract_terms import AppliedTerms, ContractTerms
from interlock.rules.renewal_policy import required

Kind = Literal["credit", "discount"]


class Question(Canonical):
    """What is to be approved, who asked for it, and how the amount was computed.

    `subject` is the record that it is about, `title` what people call that; `subject_hash` is the
    fingerprint of what is approved. The amount is net of tax, a discount's for a year.
    """

    kind: Kind
    transaction: RecordId
    subject: RecordId
    title: Text
    account_id: RecordId
    amount: Money
    subject_hash: Text
    working: tuple[str, ...]
    terms_version: Text
    agreement: Text
    requested_by: Text

    @property
    def approval_id(self) -> str:
        """The id of its approval: the same question of a transaction has the same one."""
        return approval_id(self.transaction, self.subject_hash)

    @property
    def wish(self) -> str:
        """What is asked for, in words."""
        yearly = " a year" if self.kind == "discount" else ""
        return f"a {self.kind} of {self.amount}{yearly}"


def approval_id(transaction: str, subject_hash: str) -> str:
    """Short enough to type, the same for the same subject of the same transaction."""
    return "AP-" + hashlib.sha256(f"{transaction}#{subject_hash}".encode()).hexdigest()[:16]


def about_credit(
    transaction: str, case: Case, terms: AppliedTerms, credit: ComputedCredit
) -> Question:
    """Whether a credit may be issued: bound to the claim, the terms and the computation."""
    return Question(
        kind="credit",
        transaction=transaction,
        subject=case.id,
        title=f"case {case.number}",
        account_id=credit.account_id,
        amount=credit.amount,
        subject_hash=Subject.of(case, terms, credit).fingerprint(),
        working=credit.working,
        terms_version=terms.version,
        agreement=terms.agreement,
        requested_by=case.requested_by or "nobody",
    )


def about_discount(
    transaction: str, contract: Contract, terms: AppliedTerms, quote: RenewalQuote
) -> Question:
    """Whether a renewal may be offered for less than by its terms: bound to the offer alone."""
    return Question(
        kind="discount",
        transaction=transaction,
        subject=contract.id,
        title=contract.customer_name,
        account_id=contract.account_id,
        amount=quote.by_terms - quote.total,
        subject_hash=quote.offer(),
        working=quote.working,
        terms_version=terms.version,
        agreement=terms.agreement,
        requested_by=quote.asked_by or "nobody",
    )


def policy_of(kind: Kind, terms: AppliedTerms | ContractTerms) -> ApprovalPolicy:
    """Who approves what of a kind. Raises ContractViolation for terms that say nothing of it."""
    return required(terms.renewal).discounts if kind == "discount" else terms.approval
