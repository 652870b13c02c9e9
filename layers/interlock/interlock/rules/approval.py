"""Who has to approve an amount, who may, and what of a credit was approved: the pure rules."""

from __future__ import annotations

from interlock.canonical.base import Canonical, Text
from interlock.canonical.credits import Case, ComputedCredit
from interlock.canonical.money import Money
from interlock.rules.approval_policy import Amounts, ApprovalPolicy
from interlock.rules.contract_terms import AppliedTerms

# What of a case is its claim, as agents know it.
WORDS = {
    "account_id": "account",
    "severity": "severity",
    "started_at": "beginning",
    "ended_at": "end",
    "skus": "products",
    "problems": "entries that cannot be read",
}


class Subject(Canonical):
    """What a credit's approval is bound to; of another claim, terms or amount it is another one."""

    claim: str
    terms: str
    agreement: str
    credit: ComputedCredit

    @classmethod
    def of(cls, case: Case, terms: AppliedTerms, credit: ComputedCredit) -> Subject:
        """What is to be approved; its `fingerprint` is what the approval names."""
        return cls(
            claim=case.claim(),
            terms=terms.document,
            agreement=terms.agreement,
            credit=credit,
        )


class Route(Canonical):
    """Who is asked, and by which rule, in words; nobody when it is automatic."""

    automatic: bool
    rule: Text
    role: Text | None = None
    people: tuple[Text, ...] = ()


class Verification(Canonical):
    """Whether what was approved is what it is now; `reasons` says what is not."""

    valid: bool
    reasons: tuple[str, ...]


def route(amount: Money, policy: ApprovalPolicy, *, escalations: int = 0) -> Route:
    """Who approves an amount, after so many times that nobody decided in time.

    A currency that the policy does not name is never approved by itself.
    """
    automatic = policy.automatic_up_to.get(amount.currency)
    if automatic is not None and amount.amount <= automatic:
        limit = Money.of(automatic, amount.currency)
        return Route(automatic=True, rule=f"approved by policy: {amount} is not more than {limit}")
    tiers = policy.tiers
    first = next(number for number, tier in enumerate(tiers) if _covers(tier.up_to, amount))
    asked = tiers[min(first + escalations, len(tiers) - 1)]
    rule = f"{tiers[first].role} approves {amount}: {_limit(tiers[first].up_to, amount.currency)}"
    if escalations:
        rule += f"; nobody decided in time: {asked.role} is asked"
    return Route(automatic=False, rule=rule, role=asked.role, people=policy.approvers[asked.role])


def problems_of(
    decider: str, *, of: str, requester: str, role: str, policy: ApprovalPolicy
) -> list[str]:
    """Why a person may not decide, whom `role` was asked for; nothing when it may.

    `of` is the kind of what is asked for. People are e-mail addresses, in whatever letters. Those
    of a later tier may decide too.
    """
    person = decider.casefold()
    roles = [tier.role for tier in policy.tiers]
    able = roles[roles.index(role) :] if role in roles else []
    problems = []
    if person == requester.casefold():
        problems.append(f"{decider} asked for the {of}: somebody else has to decide")
    if not any(person in policy.approvers[each] for each in able):
        names = " or ".join(able) or "no role of the policy"
        problems.append(f"{decider} may not decide: {names} has to")
    return problems


def verify(
    approved: str | None, *, case: Case, case_now: Case, terms: AppliedTerms, credit: ComputedCredit
) -> Verification:
    """Whether an approval is of the case as it is now, of these terms and of this credit.

    `approved` is the fingerprint of what was approved, None where nothing was; `case` is what the
    case was then.
    """
    reasons = []
    if case_now.requested_at is None:
        reasons.append("The case asks for no credit any more.")
    if Subject.of(case_now, terms, credit).fingerprint() != approved:
        reasons += _changes(case, case_now) or ["What was approved is not this credit."]
    if reasons:
        reasons.append("Ask for the credit again: it is computed and approved anew.")
    return Verification(valid=not reasons, reasons=tuple(reasons))


def _covers(up_to: Amounts | None, amount: Money) -> bool:
    return up_to is None or amount.amount <= up_to.get(amount.currency, -1)


def _limit(up_to: Amounts | None, currency: str) -> str:
    return "any amount" if up_to is None else f"up to {Money.of(up_to[currency], currency)}"


def _changes(case: Case, now: Case) -> list[str]:
    """What of the claim is another now, as a person knows it."""
    then, present = case.model_dump(mode="json"), now.model_dump(mode="json")
    return [
        f"The {word} changed after the credit was computed: {_told(then[name])}, now"
        f" {_told(present[name])}."
        for name, word in WORDS.items()
        if then[name] != present[name]
    ]


def _told(value: object) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(each) for each in values if each is not None) or "none given"
