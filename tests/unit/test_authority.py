"""The authority file, and what it refuses."""

from __future__ import annotations

import pytest
from interlock import authority
from interlock.errors import AuthorityViolation, ContractViolation

SYSTEMS = {"crm", "erp", "billing", "support", "contract", "integration"}


def test_every_rule_names_a_system_that_there_is() -> None:
    owners = {
        system
        for fields in authority.rules().values()
        for rule in fields.values()
        for system in (rule.owner, rule.draft)
    }

    assert owners <= SYSTEMS | {None}
    assert len(authority.rules()) >= 6


def test_no_owner_drafts_what_it_owns() -> None:
    idle = [
        (entity, name)
        for entity, fields in authority.rules().items()
        for name, rule in fields.items()
        if rule.draft == rule.owner
    ]

    assert idle == []


def test_an_owner_may_always_write() -> None:
    for entity, fields in authority.rules().items():
        for name, rule in fields.items():
            for creates in (True, False):
                authority.check(entity, [name], origin=rule.owner, creates=creates)


def test_a_first_value_may_come_from_elsewhere_until_the_record_exists() -> None:
    authority.check("order", ["lines", "bill_to"], origin="crm", creates=True)

    with pytest.raises(AuthorityViolation):
        authority.check("order", ["lines", "bill_to"], origin="crm", creates=False)


def test_a_refusal_names_each_field_and_its_owner_and_no_other() -> None:
    with pytest.raises(AuthorityViolation) as refused:
        authority.check("customer", ["name", "credit_hold"], origin="crm", creates=True)

    assert str(refused.value) == "crm may not write customer credit_hold (erp owns it)"


def test_support_never_writes_an_order() -> None:
    for field in authority.rules()["order"]:
        with pytest.raises(AuthorityViolation):
            authority.check("order", [field], origin="support", creates=True)


@pytest.mark.parametrize(
    ("entity", "fields", "named"),
    [
        ("shipment", ["weight"], "'shipment'"),
        ("order", ["lines", "colour", "age"], "order age, colour"),
    ],
)
def test_what_the_file_does_not_know_is_refused(entity: str, fields: list[str], named: str) -> None:
    with pytest.raises(ContractViolation, match=named):
        authority.check(entity, fields, origin="erp", creates=True)
