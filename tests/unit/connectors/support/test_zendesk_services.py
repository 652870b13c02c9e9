"""What the fields of an organization say of entitlements is what they were told."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical.services import Entitlement, Service, ServiceState
from interlock.connectors.support.zendesk_services import service, shown

SKUS = st.text("ABcé09 -_/.,;:", min_size=1, max_size=64)
QUANTITIES = st.decimals(Decimal("0.000001"), Decimal(10**11), places=6)
SERVICES = st.builds(
    Service,
    account_id=st.just("crm:0017"),
    state=st.sampled_from(ServiceState),
    entitlements=st.lists(st.builds(Entitlement, sku=SKUS, quantity=QUANTITIES)).map(tuple),
    until=st.none() | st.dates(),
    reason=st.none() | st.text(min_size=1),
)


@given(SERVICES)
def test_it_reads_back(told: Service) -> None:
    fields = shown(told)

    assert all(isinstance(text, str) for text in fields.values())
    assert service({"organization_fields": fields}, told.account_id) == told


def test_nothing_was_told() -> None:
    assert service({"organization_fields": None}, "crm:0017") is None
