"""The section of the contract terms on renewals: what is wrong in it is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from interlock.errors import ContractViolation
from interlock.rules.contract_terms import ContractTerms
from interlock.rules.renewal_policy import required
from pydantic import ValidationError

from local.paths import CONTRACT_TERMS
from tests.unit.credit_samples import document
from tests.unit.renewal_samples import policy
from tests.unit.samples import ACCOUNT


def test_the_terms_that_are_deployed_first() -> None:
    terms = ContractTerms.model_validate_json(CONTRACT_TERMS.read_text())

    renewal = required(terms.of(ACCOUNT).renewal)
    assert renewal == terms.renewal
    assert (renewal.defaults.auto_renews, renewal.defaults.notice_days) == (True, 60)
    assert (renewal.defaults.uplift, renewal.defaults.uplift_cap) == (3, 5)
    assert set(renewal.indices["CPI-EU"]) == {*range(2026, 2031)}
    assert [tier.role for tier in renewal.discounts.tiers] == ["sales_lead", "finance", "cfo"]
    assert (renewal.notice_opens_days, renewal.notice_closes_days) == (30, 15)


def test_terms_without_the_section_are_valid_and_renew_nothing() -> None:
    terms = ContractTerms.model_validate(document()).of(ACCOUNT)

    with pytest.raises(ContractViolation, match=r"add the section renewal.*terms deploy FILE"):
        required(terms.renewal)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"notice_closes_days": 30}, "from 30 until 30 days .* let notice_opens_days be more"),
        ({"notice_opens_days": -1}, "notice_opens_days"),
        (
            {"indices": {"CPI": {"2027": "-0.5"}}},
            r"CPI, 2027: -0.5 %: give 0 to 100; prices do not",
        ),
        ({"indices": {"CPI": {"20270": "2"}}}, "indices"),
        ({"held_above": {"USD": "0.001"}}, "give an amount that USD can express"),
        ({"held_above": {"USD": 100.5}}, "give amounts with a fraction as text"),
        (
            {"defaults": {"auto_renews": True, "notice_days": 30, "index": "RPI"}},
            "defaults: there is no index RPI: add it",
        ),
        (
            {"defaults": {"auto_renews": True, "notice_days": 30, "uplift": "300"}},
            "defaults, uplift: 300 %: give 0 to 100",
        ),
        (
            {"defaults": {"auto_renews": True, "notice_days": 30, "uplift_cap": "-1"}},
            "defaults, uplift_cap: -1 %: give 0 to 100",
        ),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        policy(**values)


def test_everything_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        policy(notice_closes_days=40, indices={"CPI": {"2027": "-1", "2028": "101"}})

    told = str(refused.value)
    assert all(part in told for part in ("until 40 days", "CPI, 2027", "CPI, 2028"))


def test_an_index_is_read_as_text_and_kept_exactly() -> None:
    assert policy().indices["CPI-EU"][2027] == Decimal("2.1")
