"""The document of contract terms: what is wrong in it is named, and what is right is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.credits import Instrument, Severity
from interlock.rules.contract_terms import ContractTerms
from pydantic import ValidationError

from local.paths import ROOT
from tests.unit.credit_samples import document
from tests.unit.samples import ACCOUNT

DEPLOYED = ROOT / "functions/workflow/load_contract_terms/contract_terms.json"


def changed(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> dict[str, Any]:
    """The document after a change of its agreement or its approval policy."""
    content = json.loads(json.dumps(document()))
    change(content["agreements"]["standard"], content["approval"])
    return content


def test_the_terms_that_are_deployed_first() -> None:
    terms = ContractTerms.model_validate_json(DEPLOYED.read_text())

    standard, premium = terms.of(ACCOUNT).service, terms.agreements["premium"]
    assert [(str(tier.below), str(tier.percent)) for tier in standard.tiers] == [
        ("99.9", "10"),
        ("99", "25"),
        ("95", "50"),
    ]
    assert (standard.cap_percent, standard.claim_days) == (30, 30)
    assert (premium.cap_percent, premium.claim_days) == (100, 60)
    assert terms.approval.automatic_up_to == {"USD": 100, "EUR": 100, "JPY": 15000}
    assert [tier.role for tier in terms.approval.tiers] == ["support_lead", "finance", "cfo"]


def test_an_account_has_its_agreement_or_the_default_one() -> None:
    agreements = document()["agreements"]
    agreements |= {"premium": agreements["standard"] | {"cap_percent": "100"}}
    terms = ContractTerms.model_validate(
        document(agreements=agreements, accounts={ACCOUNT: "premium"})
    )

    assert (terms.of(ACCOUNT).agreement, terms.of(ACCOUNT).service.cap_percent) == ("premium", 100)
    assert terms.of("salesforce:another").agreement == terms.of(None).agreement == "standard"
    assert terms.of(ACCOUNT).document == terms.of(None).document == terms.fingerprint()
    assert terms.of(ACCOUNT).version == "2026-11-01"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a, _: a["tiers"].reverse(), "below 99 % follows below 95 %.* list them from the"),
        (
            lambda a, _: a["tiers"].append({"below": "95", "percent": "60"}),
            "below 95 % follows below 95 %, and 60 % follows 50 %",
        ),
        (
            lambda a, _: a["tiers"][1].update(percent="10"),
            "10 % follows 10 %: list them from the highest availability .* give back more for less",
        ),
        (lambda a, _: a["tiers"][0].update(below="100.1"), "100.1 %: give 0 to 100"),
        (lambda a, _: a["tiers"][0].update(below="99.99991"), "of 4 decimals at most"),
        (lambda a, _: a["tiers"][2].update(percent="-1"), "-1 %: give 0 to 100"),
        (lambda a, _: a.update(cap_percent="101"), "101 %: give 0 to 100"),
        (lambda a, _: a.update(claim_days=0), "greater than or equal to 1"),
        (lambda a, _: a.update(severities=["bad"]), "severities"),
        (lambda a, _: a.update(caps=1), "caps"),
        (
            lambda a, _: a.update(
                maintenance=[{"weekday": "sunday", "start": "22:00", "end": "02:00"}]
            ),
            "sunday, 22:00:00 to 02:00:00: let it end after it starts, and split .* midnight",
        ),
        (
            lambda a, _: a.update(
                maintenance=[{"weekday": "sunday", "start": "02:00", "end": "02:00"}]
            ),
            "let it end after it starts",
        ),
        (
            lambda a, _: a.update(
                maintenance=[{"weekday": "sunday", "start": "02:00+01:00", "end": "04:00+01:00"}]
            ),
            "sunday: give times in UTC, without an offset",
        ),
        (
            lambda a, _: a.update(
                excluded=[
                    {
                        "start": "2026-11-03T12:00:00Z",
                        "end": "2026-11-03T13:00:00+02:00",
                        "reason": "migration",
                    }
                ]
            ),
            "migration: let it end after it starts",
        ),
        (lambda _, p: p["tiers"].pop(), "end with one that has no up_to"),
        (lambda _, p: p["tiers"].clear(), "end with one that has no up_to"),
        (lambda _, p: p["tiers"][0].pop("up_to"), "support_lead: say up to which amounts"),
        (
            lambda _, p: p["tiers"][0]["up_to"].pop("JPY"),
            "name the same currencies in each, not JPY in some",
        ),
        (lambda _, p: p["tiers"][0]["up_to"].update(USD="10000"), "10000.00 USD follows 10000.00"),
        (
            lambda _, p: p["automatic_up_to"].update(USD="100000"),
            "1000.00 USD follows 100000.00 USD: let amounts rise from automatic_up_to",
        ),
        (lambda _, p: p["automatic_up_to"].update(JPY="0.5"), "0.5 JPY: give an amount that JPY"),
        (lambda _, p: p["automatic_up_to"].update(USD="-1"), "-1 USD: give an amount"),
        (lambda _, p: p["automatic_up_to"].update(USD=100.5), 'as text, as "100.50"'),
        (lambda _, p: p["automatic_up_to"].update(XYZ="1"), "ISO 4217"),
        (lambda _, p: p["approvers"].pop("finance"), "finance: name its approvers"),
        (lambda _, p: p["approvers"].update(finance=[]), "finance: name its approvers"),
        (lambda _, p: p["approvers"].update(cfo=["Cfo@interlock.example"]), "in small letters"),
        (lambda _, p: p["approvers"].update(cfo=["cfo"]), "cfo: cfo: give an e-mail address"),
        (lambda _, p: p["approvers"].update(cfo=["a b@interlock.example"]), "give an e-mail"),
        (
            lambda _, p: p["approvers"].update(cfo=["c@interlock.example"] * 2),
            "cfo: c@interlock.example: name everyone once",
        ),
        (lambda _, p: p["tiers"][1].update(role="support_lead"), "support_lead: give it one tier"),
        (lambda _, p: p.update(hours=0), "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[..., None], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ContractTerms.model_validate(changed(change))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"default": "gold"}, "default: there is no agreement gold, but standard"),
        ({"accounts": {ACCOUNT: "gold"}}, f"{ACCOUNT}: there is no agreement gold"),
    ],
)
def test_an_agreement_that_there_is_not(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ContractTerms.model_validate(document(**values))


def test_every_problem_is_named_at_once() -> None:
    def change(_: dict[str, Any], policy: dict[str, Any]) -> None:
        policy["approvers"] = {}

    with pytest.raises(
        ValidationError, match=r"support_lead: name .*; finance: name .*; cfo: name"
    ):
        ContractTerms.model_validate(changed(change))


def test_an_agreement_that_gives_nothing_back() -> None:
    def change(agreement: dict[str, Any], _: dict[str, Any]) -> None:
        agreement |= {"severities": [], "tiers": []}

    assert ContractTerms.model_validate(changed(change)).of(ACCOUNT).service.tiers == ()


def test_one_spelling_of_an_amount_and_a_percentage() -> None:
    def change(agreement: dict[str, Any], policy: dict[str, Any]) -> None:
        agreement["cap_percent"] = 50.0
        policy["automatic_up_to"] = {"JPY": 15000, "USD": "100.0"}

    [plain, other] = [
        ContractTerms.model_validate(content) for content in (document(), changed(change))
    ]
    assert other.fingerprint() == plain.fingerprint()


# ---- Whatever the terms

PERCENTS = st.lists(
    st.integers(0, 10**6).map(lambda number: Decimal(number) / 10**4), min_size=1, unique=True
)
CURRENCIES = st.sets(st.sampled_from(["USD", "EUR", "JPY", "KWD"]), min_size=1)


@st.composite
def _agreements(draw: st.DrawFn) -> dict[str, Any]:
    bounds = sorted(draw(PERCENTS), reverse=True)
    shares = sorted(draw(PERCENTS))
    start = draw(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001
    start = start.replace(tzinfo=UTC)
    return {
        "severities": draw(st.lists(st.sampled_from(list(Severity)), unique=True)),
        "tiers": [
            {"below": str(bound), "percent": str(share)}
            for bound, share in zip(bounds, shares, strict=False)
        ],
        "maintenance": [
            {"weekday": day, "start": f"{hour:02}:30", "end": f"{(hour + 1) % 24:02}:00"}
            for day in draw(st.lists(st.sampled_from(["monday", "sunday"]), max_size=2))
            for hour in [draw(st.integers(0, 23))]
        ],
        "excluded": [
            {
                "start": start.isoformat(),
                "end": (start + timedelta(seconds=seconds)).isoformat(),
                "reason": "agreed",
            }
            for seconds in draw(st.lists(st.integers(1, 10**6), max_size=2))
        ],
        "cap_percent": str(draw(st.integers(0, 100))),
        "claim_days": draw(st.integers(1, 400)),
        "instrument": draw(st.sampled_from(list(Instrument))),
    }


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    agreements = draw(st.dictionaries(st.text("abc", min_size=1), _agreements(), min_size=1))
    names = st.sampled_from(sorted(agreements))
    currencies = draw(CURRENCIES)
    roles = [f"role {number}" for number in range(draw(st.integers(1, 4)))]
    amounts = [
        {code: str(Money.from_minor_units(units, code).amount) for code in currencies}
        for units in sorted(
            draw(st.lists(st.integers(0, 10**9), min_size=len(roles), max_size=4, unique=True))
        )
    ]
    tiers = [
        {"role": role, "up_to": amount}
        for role, amount in zip(roles[:-1], amounts[1:], strict=False)
    ]
    return {
        "version": draw(st.text(min_size=1, max_size=20)),
        "agreements": agreements,
        "default": draw(names),
        "accounts": draw(
            st.dictionaries(st.from_regex(r"crm:\d{1,3}", fullmatch=True), names, max_size=3)
        ),
        "approval": {
            "automatic_up_to": amounts[0],
            "tiers": [*tiers, {"role": roles[-1]}],
            "approvers": {role: ["x@interlock.example", "y@interlock.example"] for role in roles},
            "hours": draw(st.integers(1, 720)),
        },
    }


@given(content=_documents())
def test_loading_loses_nothing(content: dict[str, Any]) -> None:
    terms = ContractTerms.model_validate_json(json.dumps(content))
    again = ContractTerms.model_validate_json(terms.model_dump_json())

    assert again == terms
    assert again.fingerprint() == terms.fingerprint()
    assert ContractTerms.model_validate(content).fingerprint() == terms.fingerprint()
    told = terms.model_dump(mode="json")
    assert told["accounts"] == content["accounts"]
    assert told["approval"]["automatic_up_to"] == content["approval"]["automatic_up_to"]
    for name, agreement in content["agreements"].items():
        kept = terms.agreements[name]
        assert [(tier.below, tier.percent) for tier in kept.tiers] == [
            (Decimal(tier["below"]), Decimal(tier["percent"])) for tier in agreement["tiers"]
        ]
        assert len(kept.maintenance) == len(agreement["maintenance"])


@given(content=_documents(), key=st.sampled_from(["version", "hours", "cap_percent"]))
def test_any_change_is_another_document(content: dict[str, Any], key: str) -> None:
    before = ContractTerms.model_validate(content)
    if key == "version":
        content["version"] += "!"
    elif key == "hours":
        content["approval"]["hours"] = content["approval"]["hours"] % 720 + 1
    else:
        agreement = content["agreements"][content["default"]]
        agreement["cap_percent"] = (int(agreement["cap_percent"]) + 1) % 101

    assert ContractTerms.model_validate(content).fingerprint() != before.fingerprint()
