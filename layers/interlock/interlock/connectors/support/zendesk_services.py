"""What a customer is entitled to, in the fields of its Zendesk organization.

| field | says | type |
| --- | --- | --- |
| interlock_service | active, suspended or ended; empty: nothing was told yet | text |
| interlock_entitlements | a line for each product: its quantity, a space, its SKU | textarea |
| interlock_service_until | the last day of what will not be renewed, as 2027-02-28 | text |
| interlock_service_reason | why it is suspended | textarea |

Agents see them beside every ticket of the organization, customers never:
https://support.zendesk.com/hc/en-us/articles/203662076
https://developer.zendesk.com/api-reference/ticketing/organizations/organization_fields/
"""

from __future__ import annotations

from pydantic import ValidationError

from interlock.canonical.services import Service
from interlock.connectors.support.zendesk_records import Json
from interlock.errors import ContractViolation

SERVICE_FIELDS = (
    "interlock_service",
    "interlock_entitlements",
    "interlock_service_until",
    "interlock_service_reason",
)


def service(organization: Json, account_id: str) -> Service | None:
    """What an organization says; None for nothing.

    Raises ContractViolation for what people entered there.
    """
    fields = organization["organization_fields"] or {}
    state, entitlements, until, reason = (fields.get(key) or None for key in SERVICE_FIELDS)
    if state is None:
        return None
    told = {
        "account_id": account_id,
        "state": state,
        "entitlements": [_entitlement(line) for line in (entitlements or "").splitlines()],
        "until": until,
        "reason": reason,
    }
    try:
        return Service.model_validate(told)
    except ValidationError as error:
        parts = ", ".join(dict.fromkeys(str(detail["loc"][0]) for detail in error.errors()))
        raise ContractViolation(
            f"the {parts} in the organization's service fields is none of ours: empty the fields"
            f" {', '.join(SERVICE_FIELDS)}, only the integration may write them",
            vendor="zendesk",
            record=account_id,
        ) from None


def shown(service: Service) -> Json:
    """The fields of an organization that say what `service` says."""
    lines = (f"{each.quantity:f} {each.sku}" for each in service.entitlements)
    texts = (
        service.state,
        "\n".join(lines),
        service.until.isoformat() if service.until else "",  # null is not described
        service.reason or "",
    )
    return dict(zip(SERVICE_FIELDS, texts, strict=True))


def _entitlement(line: str) -> dict[str, str]:
    quantity, _, sku = line.partition(" ")
    return {"quantity": quantity, "sku": sku}
