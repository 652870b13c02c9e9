"""What a customer is entitled to, by its contracts and by who suspended it."""

from __future__ import annotations

from datetime import date

import pytest
from interlock.canonical.contracts import Contract, ContractStatus
from interlock.canonical.services import Entitlement, Service, ServiceState, Suspension
from interlock.rules.contract_change import amended, ended, ending, retired
from interlock.rules.entitlements import assess

from tests.unit.renewal_samples import (
    ENDS,
    OTHER,
    READ_AT,
    STARTS,
    amendment,
    contract,
    contract_line,
    quote,
    won,
)
from tests.unit.samples import ACCOUNT

SUSPENDED = Suspension(by="finance@interlock.example", reason="unpaid", at=READ_AT)
APRIL, JUNE = date(2027, 4, 1), date(2027, 6, 1)


def service(
    *contracts: Contract, today: date = JUNE, suspension: Suspension | None = None
) -> Service:
    """What the customer is entitled to."""
    return assess(ACCOUNT, contracts, suspension, today)


def quantities(found: Service) -> dict[str, int]:
    """By product."""
    return {each.sku: int(each.quantity) for each in found.entitlements}


def test_the_products_of_all_contracts_are_added_up() -> None:
    more = contract(contract_line(quantity="5"), contract_line("API", "1"), id=OTHER)

    assert service(contract(), more) == Service(
        account_id=ACCOUNT,
        state=ServiceState.ACTIVE,
        entitlements=(
            Entitlement(sku="API", quantity=1),
            Entitlement(sku="PLATFORM", quantity=1),
            Entitlement(sku="SEAT", quantity=30),
        ),
    )


def test_lines_count_on_their_days() -> None:
    ramp = contract(
        contract_line(quantity="10", ends_on=JUNE), contract_line(quantity="20", starts_on=JUNE)
    )

    assert quantities(service(ramp, today=date(2027, 5, 31))) == {"SEAT": 10}
    assert quantities(service(ramp)) == {"SEAT": 20}
    sold = amended(contract(), amendment()).after
    assert quantities(service(sold))["SEAT"] == 30


@pytest.mark.parametrize("contracts", [(), (ended(contract()).after,), (retired(contract()),)])
def test_without_a_contract_service_has_ended(contracts: tuple[Contract, ...]) -> None:
    for suspension in (None, SUSPENDED):
        found = service(*contracts, suspension=suspension)
        assert (found.state, found.entitlements, found.reason) == (ServiceState.ENDED, (), None)


def test_a_contract_that_has_yet_to_begin_entitles_to_nothing_so_far() -> None:
    found = service(contract(), today=date(2026, 11, 30))

    assert (found.state, found.entitlements) == (ServiceState.ACTIVE, ())
    assert quantities(service(contract(), today=STARTS))["SEAT"] == 25


@pytest.mark.parametrize("day", [1, 2, 20])
def test_what_nobody_decided_upon_is_served_on(day: int) -> None:
    found = service(contract(), today=date(2027, 12, day))

    assert (found.state, quantities(found)["SEAT"]) == (ServiceState.ACTIVE, 25)


def test_what_is_not_renewed_is_served_until_its_end() -> None:
    left = ending(contract()).after

    assert service(left).until == date(2027, 11, 30)
    assert service(left, today=ENDS).state == ServiceState.ACTIVE
    over = service(left, today=date(2027, 12, 2))
    assert (over.state, over.entitlements, over.until) == (ServiceState.ENDED, (), None)


def test_the_contract_that_ends_first_says_until_when() -> None:
    later = contract(
        contract_line("API", ends_on=date(2028, 5, 1)), id=OTHER, status=ContractStatus.ENDING
    )

    assert service(ending(contract()).after, later).until == date(2027, 11, 30)
    assert service(contract(), later).until == date(2028, 4, 30)


def test_what_another_contract_goes_on_with_does_not_end() -> None:
    going = ending(contract(), won(), handed_over=quote().lines).after

    assert service(going).until is None


def test_who_suspended_it_says_why() -> None:
    found = service(contract(), suspension=SUSPENDED)

    assert (found.state, found.reason) == (ServiceState.SUSPENDED, "unpaid")
    assert quantities(found)["SEAT"] == 25
