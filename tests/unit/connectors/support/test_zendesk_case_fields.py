"""The option that names a ticket's custom fields, and what their values mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from interlock.canonical.credits import Severity
from interlock.connectors.support.zendesk_case_fields import SEVERITIES, CaseFields, Entered
from interlock.errors import ContractViolation

NAMES = ("credit", "severity", "started_at", "ended_at", "products", "status", "amount")
IDS = {name: str(101 + position) for position, name in enumerate((*NAMES, "transaction"))}


def entered(**values: Any) -> Entered:
    """What a ticket has in its fields; another integration's field is none of them."""
    fields = CaseFields.read({"case_fields": json.dumps(IDS)})
    custom = [{"id": int(IDS[name]), "value": value} for name, value in values.items()]
    return fields.of({"custom_fields": [*custom, {"id": 7, "value": "theirs"}]})


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (None, "credit, severity"),
        ("{", "not JSON"),
        ("[]", "is not as the adapter says"),
        (json.dumps(IDS | {"credit": "the first"}), "credit"),
        (json.dumps({name: IDS[name] for name in NAMES}), "transaction"),
        (json.dumps(IDS | {"color": "1"}), "color"),
    ],
)
def test_an_option_that_says_what_is_wrong(option: str | None, named: str) -> None:
    with pytest.raises(ContractViolation, match=named):
        CaseFields.read({} if option is None else {"case_fields": option})


@pytest.mark.parametrize("severity", list(Severity))
def test_each_severity_has_a_tag(severity: Severity) -> None:
    [tag] = [tag for tag, meant in SEVERITIES.items() if meant is severity]
    case = entered(severity=tag)

    assert (case.severity(), case.problems) == (severity, [])


def test_a_tag_that_is_none_of_ours() -> None:
    case = entered(severity="sev_1")

    assert case.severity() is None
    assert case.problems == ["its field 'severity' says 'sev_1': choose one that Interlock knows"]


@pytest.mark.parametrize("value", [None, "", False])
def test_an_empty_field(value: Any) -> None:
    case = entered(started_at=value, products=value, severity=value, credit=value)

    assert (case.time("started_at"), case.skus(), case.severity(), case.asks) == (
        None,
        (),
        None,
        False,
    )
    assert case.problems == []


@pytest.mark.parametrize("value", [True, 7, ["interlock_credit_requested"]])
def test_a_field_of_another_type(value: Any) -> None:
    case = entered(credit=value, products=value, started_at=value, severity=value)

    assert not case.asks
    assert (case.time("started_at"), case.skus(), case.severity()) == (None, (), None)
    assert len(case.problems) == 3
