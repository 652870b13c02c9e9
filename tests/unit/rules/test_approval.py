"""Who approves a credit, who may, and whether what was approved is what is to be issued."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.credits import Case, ComputedCredit, Severity
from interlock.rules.approval import Route, Subject, Verification, problems_of, route, verify
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.credit_computation import compute, months_of

from tests.unit.credit_samples import (
    AGENT,
    CHIEF,
    LEAD,
    OFFICER,
    SEAT,
    TRANSACTION,
    allowance,
    at,
    case,
    context,
    terms,
    usd,
)

POLICY = terms().approval
TIERS = ["support_lead", "finance", "cfo"]


def computed(asked: Case | None = None, by: AppliedTerms | None = None) -> ComputedCredit:
    """The credit of a case, of which nothing was granted before."""
    asked = asked or case()
    unused = tuple(allowance(month) for month in months_of(asked))
    return compute(asked, context(), by or terms(), unused, transaction=TRANSACTION)


@pytest.mark.parametrize(
    ("amount", "escalations", "role"),
    [
        ("100.00", 0, None),
        ("100.00", 3, None),
        ("100.01", 0, "support_lead"),
        ("1000.00", 0, "support_lead"),
        ("1000.01", 0, "finance"),
        ("10000.00", 0, "finance"),
        ("10000.01", 0, "cfo"),
        ("500.00", 1, "finance"),
        ("500.00", 2, "cfo"),
        ("500.00", 9, "cfo"),
        ("99999.00", 1, "cfo"),
    ],
)
def test_an_amount_asks_its_tier(amount: str, escalations: int, role: str | None) -> None:
    found = route(usd(amount), POLICY, escalations=escalations)

    people = {None: (), "support_lead": (LEAD,), "finance": (OFFICER,), "cfo": (CHIEF,)}[role]
    assert (found.automatic, found.role, found.people) == (role is None, role, people)


def test_each_currency_has_its_own_amounts() -> None:
    assert route(Money.of(15_000, "JPY"), POLICY).automatic
    assert route(Money.of(15_001, "JPY"), POLICY).role == "support_lead"


def test_a_currency_that_the_policy_does_not_name_is_never_automatic() -> None:
    assert route(Money.of("0.01", "CHF"), POLICY) == Route(
        automatic=False, rule="cfo approves 0.01 CHF: any amount", role="cfo", people=(CHIEF,)
    )


def test_the_rule_in_words() -> None:
    assert route(usd("100.00"), POLICY).rule == (
        "approved by policy: 100.00 USD is not more than 100.00 USD"
    )
    assert (
        route(usd("2500.00"), POLICY).rule == "finance approves 2,500.00 USD: up to 10,000.00 USD"
    )
    assert route(usd("2500.00"), POLICY, escalations=1).rule.endswith(
        "; nobody decided in time: cfo is asked"
    )


@pytest.mark.parametrize(
    ("decider", "role", "says"),
    [
        (LEAD, "support_lead", []),
        (LEAD.upper(), "support_lead", []),
        (OFFICER, "support_lead", []),
        (CHIEF, "finance", []),
        (LEAD, "finance", [f"{LEAD} may not decide: finance or cfo has to"]),
        (OFFICER, "cfo", [f"{OFFICER} may not decide: cfo has to"]),
        ("someone@interlock.example", "support_lead", ["may not decide: support_lead or finance"]),
        (CHIEF, "board", ["may not decide: no role of the policy has to"]),
        (AGENT, "cfo", ["asked for the credit: somebody else has to decide", "may not decide"]),
    ],
)
def test_who_may_decide(decider: str, role: str, says: list[str]) -> None:
    problems = problems_of(decider, of="credit", requester=AGENT, role=role, policy=POLICY)

    assert len(problems) == len(says)
    assert all(expected in problem for problem, expected in zip(problems, says, strict=True))


@given(
    requester=st.sampled_from([LEAD, OFFICER, CHIEF]),
    role=st.sampled_from(TIERS),
    data=st.data(),
)
def test_four_eyes_whatever_the_letters(requester: str, role: str, data: st.DataObject) -> None:
    spelled = "".join(data.draw(st.sampled_from([letter, letter.upper()])) for letter in requester)

    assert problems_of(spelled, of="credit", requester=requester, role=role, policy=POLICY)
    assert problems_of(requester, of="credit", requester=spelled, role=role, policy=POLICY)


# ---- What an approval is bound to


def checked(
    now: Case, *, by: AppliedTerms | None = None, credit: ComputedCredit | None = None
) -> Verification:
    """Whether an approval of the usual case holds."""
    approved = Subject.of(case(), terms(), computed()).fingerprint()
    return verify(
        approved,
        case=case(),
        case_now=now,
        terms=by or terms(),
        credit=credit or computed(),
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"status": "closed"},
        {"subject": "The platform was down"},
        {"requested_by": LEAD, "requested_at": at("2026-11-05 09:00")},
        {"references": {"zendesk": "12"}},
    ],
)
def test_an_approval_holds(values: dict[str, Any]) -> None:
    assert (checked(case(**values)).valid, checked(case(**values)).reasons) == (True, ())


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"ended_at": at("2026-11-03 14:10")},
            "The end changed after the credit was computed: 2026-11-03T13:10:00Z, now"
            " 2026-11-03T14:10:00Z.",
        ),
        ({"started_at": at("2026-11-03 09:00")}, "The beginning changed"),
        ({"severity": Severity.MAJOR}, "The severity changed after the credit was computed: crit"),
        ({"skus": (SEAT,)}, "PLATFORM-ANNUAL, now SEAT-ANNUAL."),
        ({"skus": ()}, "PLATFORM-ANNUAL, now none given."),
        ({"account_id": "salesforce:1"}, "The account changed"),
        ({"account_id": None}, "now none given."),
        ({"problems": ("What?",)}, "The entries that cannot be read changed"),
        ({"number": "13"}, "What was approved is not this credit."),
        ({"requested_at": None, "requested_by": None}, "The case asks for no credit any more."),
    ],
)
def test_a_case_that_changed(values: dict[str, Any], says: str) -> None:
    verification = checked(case(**values))

    assert not verification.valid
    assert len(verification.reasons) == 2
    assert says in verification.reasons[0]
    assert verification.reasons[1].startswith("Ask for the credit again")


def test_other_terms_or_another_amount() -> None:
    more = computed().model_copy(update={"amount": usd("300.01")})

    for verification in (checked(case(), by=terms(claim_days=31)), checked(case(), credit=more)):
        assert verification.reasons[0] == "What was approved is not this credit."


CHANGES = {
    "severity": st.sampled_from([Severity.MAJOR, Severity.MINOR, None]),
    "started_at": st.datetimes(timezones=st.just(at("2026-01-01").tzinfo)),
    "ended_at": st.datetimes(timezones=st.just(at("2026-01-01").tzinfo)),
    "skus": st.lists(st.text(min_size=1, max_size=5), max_size=3).map(tuple),
    "account_id": st.from_regex(r"crm:\d{1,5}", fullmatch=True),
    "problems": st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=2).map(tuple),
}
TERMS, CREDIT = terms(), computed()
SUBJECT = Subject.of(case(), TERMS, CREDIT).fingerprint()


@given(data=st.data(), name=st.sampled_from(sorted(CHANGES)))
def test_another_claim_is_another_subject(data: st.DataObject, name: str) -> None:
    value = data.draw(CHANGES[name])
    other = Subject.of(case(**{name: value}), TERMS, CREDIT).fingerprint()

    assert (other == SUBJECT) == (value == getattr(case(), name))


@given(cents=st.integers(0, 100_000), cap=st.integers(0, 100))
def test_another_amount_or_other_terms_are_another_subject(cents: int, cap: int) -> None:
    credit = CREDIT.model_copy(update={"amount": Money.from_minor_units(cents, "USD")})
    other = terms(cap_percent=cap)

    assert (Subject.of(case(), TERMS, credit).fingerprint() == SUBJECT) == (cents == 30_000)
    assert (Subject.of(case(), other, CREDIT).fingerprint() == SUBJECT) == (cap == 50)
