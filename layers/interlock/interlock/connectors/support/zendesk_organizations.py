"""The customers' organizations at Zendesk, and what we write on them.

- https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/
- The tickets of one: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#list-tickets

What we write is compared with what the organization kept: whether a field that nobody created is
refused or ignored is not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from interlock.canonical.customer_view import OpenCases
from interlock.canonical.dunning import DunningFlag
from interlock.canonical.services import Service
from interlock.connectors.support import zendesk_records as records
from interlock.connectors.support import zendesk_services as services
from interlock.connectors.support.zendesk_case_fields import is_critical
from interlock.connectors.support.zendesk_lists import Call, listed
from interlock.connectors.support.zendesk_records import Json
from interlock.connectors.support.zendesk_tags import Tagging
from interlock.errors import ContractViolation


@dataclass(frozen=True)
class Organizations:
    """The organizations by the customers' ids.

    `call` sends a request and returns the JSON of its answer, `sleep` waits between two looks at a
    job.
    """

    call: Call
    sleep: Callable[[float], None]

    def find(self, customer_id: str, **where: str) -> Json | None:
        """External ids are unique but for a race that Zendesk documents for names: the first."""
        found = self.call(
            "GET", "organizations/search", params={"external_id": customer_id}, **where
        )
        return min(found["organizations"], key=lambda each: each["id"], default=None)

    def dunning(self, account_id: str) -> DunningFlag | None:
        """Raises ContractViolation for what people entered in the fields."""
        organization = self.find(account_id, operation="read_dunning", record=account_id)
        return records.dunning_flag(organization, account_id) if organization else None

    def flag(self, flag: DunningFlag) -> DunningFlag | None:
        """The organization's tags, then those of its open tickets, then the fields."""
        where = {"operation": "write_dunning", "record": flag.account_id}
        organization = self.find(flag.account_id, **where)
        if organization is None:
            return None
        call = partial(self.call, **where)
        Tagging(flag.account_id, call, self.sleep).tag(organization, flag.status)
        self._set(organization, records.flagged(flag), records.dunning_flag, flag.account_id, call)
        return flag

    def service(self, account_id: str) -> Service | None:
        """Raises ContractViolation for what people entered in the fields."""
        organization = self.find(account_id, operation="read_service", record=account_id)
        return services.service(organization, account_id) if organization else None

    def show(self, service: Service) -> Service | None:
        """All fields in one update: what they say is of one moment."""
        where = {"operation": "write_service", "record": service.account_id}
        organization = self.find(service.account_id, **where)
        if organization is None:
            return None
        call = partial(self.call, **where)
        self._set(organization, services.shown(service), services.service, service.account_id, call)
        return service

    def open_cases(self, account_id: str) -> OpenCases:
        """Of all tickets that are not archived, which those are that are closed for long."""
        where = {"operation": "get_open_cases", "record": account_id}
        organization = self.find(account_id, **where)
        if organization is None:
            return OpenCases(open=0, severe=())
        path = f"organizations/{organization['id']}/tickets"
        cases = [
            ticket
            for ticket in listed(partial(self.call, **where), path, "tickets")
            if ticket["status"] not in records.CLOSED and records.OURS not in ticket["tags"]
        ]
        severe = sorted(ticket["id"] for ticket in cases if is_critical(ticket))
        return OpenCases(open=len(cases), severe=tuple(map(str, severe)))

    @staticmethod
    def _set(
        organization: Json,
        fields: Json,
        read: Callable[[Json, str], Any],
        account_id: str,
        call: Call,
    ) -> None:
        """Raises ContractViolation when what `read` makes of the fields then is something else."""
        wanted = {"organization_fields": fields}
        path = f"organizations/{organization['id']}"
        saved = call("PUT", path, json={"organization": wanted})["organization"]
        if read(saved, account_id) != read(wanted, account_id):
            raise ContractViolation(
                "the organization did not keep what was written: create the organization fields"
                f" {', '.join(fields)}, of the types that the adapter says",
                vendor="zendesk",
                record=account_id,
            )
