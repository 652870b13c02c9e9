"""Salesforce's change events as canonical events: documented shapes, and anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.connectors.crm.salesforce_events import CLIENT, DISCOUNT, delivery_key, translate
from interlock.errors import ContractViolation
from interlock.events import Event

ORGANISATION = "00DHs0000000001MAA"
SOURCE = f"aws.partner/salesforce.com/{ORGANISATION}/0YLHs00000ILockAAA"
DEAL = "006Hs00000abcdeIAA"
COMMITTED = datetime(2026, 11, 20, 10, 11, 12, 345000, tzinfo=UTC)


def change(*, header: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An opportunity's change as the event relay puts it onto a partner bus."""
    given = {
        "entityName": "Opportunity",
        "recordIds": [DEAL],
        "changeType": "UPDATE",
        "changeOrigin": "com/salesforce/api/rest/66.0;client=SfdcInternal",
        "transactionKey": "000a50de-05dd-07c4-22fb-44b7f9e72ab5",
        "sequenceNumber": 1,
        "commitTimestamp": int(COMMITTED.timestamp() * 1000),
        "commitNumber": 72784468115,
        "commitUser": "005Hs000000Q6ipIAC",
        "nulledFields": [],
        "diffFields": [],
        "changedFields": ["StageName", "LastModifiedDate"],
    }
    return {
        "version": "0",
        "id": "6f2b1b3c-4b5f-4f0e-9d6e-2b1c3d4e5f60",
        "detail-type": "OpportunityChangeEvent",
        "source": SOURCE,
        "time": "2026-11-20T10:11:13Z",
        "detail": {
            "payload": {
                "ChangeEventHeader": given | (header or {}),
                "StageName": "Closed Won",
                "LastModifiedDate": "2026-11-20T10:11:12.000Z",
                **fields,
            }
        },
    }


def gap(kind: str, *ids: str) -> dict[str, Any]:
    """A gap event: a header, and nothing of the fields."""
    event = change(header={"changeType": kind, "recordIds": list(ids), "changedFields": []})
    event["detail"]["payload"] |= {"StageName": None, "LastModifiedDate": None}
    return event


def translated(event: Any) -> tuple[Event, ...]:
    """What our deployment makes of it."""
    return translate(
        event,
        connection="salesforce",
        organisation=ORGANISATION,
        won_stages={"Closed Won", "Gewonnen"},
        lost_stages={"Closed Lost", "Verloren"},
    )


def test_a_won_deal() -> None:
    [won] = translated(change())

    assert won == Event(
        id=f"salesforce:000a50de-05dd-07c4-22fb-44b7f9e72ab5-1-{DEAL}",
        type="opportunity.closed_won",
        source="salesforce",
        subject=f"salesforce:{DEAL}",
        occurred_at=COMMITTED,
        correlation_id=f"{DEAL}-1795169472345",
        origin="com/salesforce/api/rest/66.0;client=SfdcInternal",
    )


def test_any_of_the_organisations_won_stages() -> None:
    assert len(translated(change(StageName="Gewonnen"))) == 1


@pytest.mark.parametrize("stage", ["Negotiation", "closed won", "", None, 1, ["Closed Won"], {}])
def test_any_other_stage_is_nothing_to_do(stage: Any) -> None:
    assert translated(change(StageName=stage)) == ()


@pytest.mark.parametrize("stage", ["Closed Lost", "Verloren"])
def test_a_lost_deal(stage: str) -> None:
    [lost] = translated(change(StageName=stage))
    [won] = translated(change())

    assert lost == won.model_copy(update={"type": "opportunity.closed_lost"})


@pytest.mark.parametrize("discount", [7.5, 0, None])
def test_another_discount_is_a_change_of_an_open_deal(discount: float | None) -> None:
    event = change(header={"changedFields": [DISCOUNT]}, **{DISCOUNT: discount})
    del event["detail"]["payload"]["StageName"]
    [won] = translated(change())

    assert translated(event) == (won.model_copy(update={"type": "opportunity.changed"}),)


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("Closed Won", "opportunity.closed_won"),
        ("Closed Lost", "opportunity.closed_lost"),
        ("Negotiation", "opportunity.changed"),
    ],
)
def test_a_change_that_means_several_things_is_told_once(stage: str, told: str) -> None:
    header = {"changedFields": ["StageName", DISCOUNT]}

    assert [event.type for event in translated(change(header=header, StageName=stage))] == [told]


def test_our_own_change_of_the_discount_or_to_a_lost_stage_is_dropped() -> None:
    ours = {"changeOrigin": f"com/salesforce/api/rest/66.0;client={CLIENT}"}

    assert translated(change(header=ours, StageName="Closed Lost")) == ()
    assert translated(change(header=ours | {"changedFields": [DISCOUNT]}, StageName=None)) == ()


def test_a_change_that_does_not_touch_the_stage() -> None:
    event = change(NextStep="Call")
    del event["detail"]["payload"]["StageName"]

    assert translated(event) == ()


def test_a_new_deal_may_be_won_already() -> None:
    assert len(translated(change(header={"changeType": "CREATE", "changedFields": []}))) == 1


def test_several_deals_changed_alike_are_an_event_each() -> None:
    ids = [f"006Hs00000abc{number:02}IAA" for number in range(30)]

    won = translated(change(header={"recordIds": ids}))

    assert [event.subject for event in won] == [f"salesforce:{id}" for id in ids]
    assert len({event.id for event in won}) == len({event.correlation_id for event in won}) == 30


@pytest.mark.parametrize("kind", ["GAP_CREATE", "GAP_UPDATE", "GAP_UNDELETE"])
def test_a_gap_is_a_hint_to_look(kind: str) -> None:
    [hint] = translated(gap(kind, DEAL))

    assert (hint.type, hint.subject) == ("opportunity.closed_won", f"salesforce:{DEAL}")


def test_a_deleted_deal_is_not_won() -> None:
    assert translated(gap("GAP_DELETE", DEAL)) == ()
    event = change(header={"changeType": "DELETE"})
    del event["detail"]["payload"]["StageName"]
    assert translated(event) == ()


@pytest.mark.parametrize("id", ["000000000000000AAA", "006*"])
def test_an_overflow_or_a_wildcard_names_no_deal_and_is_for_a_person(id: str) -> None:
    with pytest.raises(ContractViolation, match="no opportunity ids"):
        translated(gap("GAP_OVERFLOW", id))


@pytest.mark.parametrize(
    "origin", [f"client={CLIENT}", f"com/salesforce/api/rest/66.0;client={CLIENT}"]
)
@pytest.mark.parametrize("kind", ["OpportunityChangeEvent", "AccountChangeEvent"])
def test_the_echo_of_our_own_write_is_dropped(origin: str, kind: str) -> None:
    assert translated(change(header={"changeOrigin": origin}) | {"detail-type": kind}) == ()


@pytest.mark.parametrize("client", ["interlock2", "Interlock", "not-interlock"])
def test_another_client_with_a_similar_name_is_no_echo(client: str) -> None:
    origin = f"com/salesforce/api/rest/66.0;client={client}"

    assert len(translated(change(header={"changeOrigin": origin}))) == 1


@pytest.mark.parametrize(
    "moment",
    [
        1795169472345,
        "2026-11-20T10:11:12.345Z",
        "2026-11-20T10:11:12.345",
        "2026-11-20T11:11:12.345+01:00",
        "1795169472345",
    ],
)
def test_a_moment_in_either_spelling_is_the_same(moment: int | str) -> None:
    assert translated(change(header={"commitTimestamp": moment})) == translated(change())


@given(st.integers(946_684_800_000, 4_102_444_800_000))
def test_a_moment_keeps_its_milliseconds(milliseconds: int) -> None:
    [won] = translated(change(header={"commitTimestamp": milliseconds}))

    assert won.correlation_id == f"{DEAL}-{milliseconds}"


def test_the_organisation_in_either_length() -> None:
    event = change() | {"source": SOURCE.replace(ORGANISATION, ORGANISATION[:15])}

    assert len(translated(event)) == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"source": SOURCE.replace("00DHs", "00DXx")}, "another organisation: 00DXx0000000001MAA"),
        ({"source": SOURCE.replace("00DHs", "00DHS")}, "another organisation"),
        ({"source": "aws.ec2"}, "unknown source"),
        ({"source": None}, "unknown source"),
        ({"detail-type": "AccountChangeEvent"}, "unknown event: detail-type 'AccountChangeEvent'"),
        ({"detail-type": None}, "unknown event"),
        ({"detail": None}, "ChangeEventHeader is missing"),
        ({"detail": {"payload": []}}, "ChangeEventHeader is missing"),
        ({"detail": {"payload": {"ChangeEventHeader": "x"}}}, "ChangeEventHeader is missing"),
    ],
)
def test_what_is_not_for_us(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractViolation, match=reason):
        translated(change() | values)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ({"recordIds": []}, "recordIds"),
        ({"recordIds": DEAL}, "recordIds"),
        ({"recordIds": [7]}, "recordIds"),
        ({"recordIds": ["001Hs00000abcdeIAA"]}, "no opportunity ids"),
        ({"recordIds": [DEAL, f"{DEAL}' OR Id != '"]}, "1 record ids are no opportunity ids"),
        ({"commitTimestamp": None}, "commitTimestamp"),
        ({"commitTimestamp": 10**30}, "commitTimestamp"),
        ({"commitTimestamp": -(10**400)}, "commitTimestamp"),
        ({"commitTimestamp": "0001-01-01T00:00:00+23:00"}, "commitTimestamp"),
        ({"commitTimestamp": "yesterday"}, "commitTimestamp"),
        ({"transactionKey": None}, "transactionKey"),
        ({"transactionKey": "x" * 2000}, "transactionKey"),
        ({"sequenceNumber": "one"}, "sequenceNumber"),
        ({"sequenceNumber": 10**2000}, "sequenceNumber"),
        ({"changeType": None}, "changeType"),
        ({"changeOrigin": 7}, "changeOrigin"),
        ({"changedFields": "StageName"}, "changedFields"),
    ],
)
def test_a_malformed_header_names_the_field(header: dict[str, Any], named: str) -> None:
    with pytest.raises(ContractViolation, match=named):
        translated(change(header=header))


def test_a_delivery_is_known_by_transaction_sequence_and_records() -> None:
    again = change() | {"id": "another delivery", "time": "2026-11-21T00:00:00Z"}

    assert delivery_key(again) == delivery_key(change())
    different = [
        change(header={"transactionKey": "other"}),
        change(header={"sequenceNumber": 2}),
        change(header={"recordIds": [DEAL, "006Hs00000abcdfIAA"]}),
    ]
    assert len({delivery_key(event) for event in [*different, change()]}) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON.filter(lambda content: isinstance(content, dict)))
def test_any_json_is_an_event_or_a_contract_violation(content: dict[str, Any]) -> None:
    for use in (translated, delivery_key):
        with suppress(ContractViolation):
            use(content)


@given(st.data())
def test_a_change_with_any_values_is_an_event_or_a_contract_violation(data: st.DataObject) -> None:
    event = json.loads(json.dumps(change()))
    header = event["detail"]["payload"]["ChangeEventHeader"]
    places = [event, event["detail"]["payload"], header]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)

    for use in (translated, delivery_key):
        with suppress(ContractViolation):
            use(event)
