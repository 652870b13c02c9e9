"""The records of the Zendesk sandbox and the rules they keep, without HTTP.

- https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
- https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/
- https://support.zendesk.com/hc/en-us/articles/4408894213018 (the rules of a ticket's states)
- https://support.zendesk.com/hc/en-us/articles/203662006 (a ticket gets its organization's tags)
- https://support.zendesk.com/hc/en-us/articles/4408882246298 (new users belong to the organization
  that has the domain of their address)
- https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/
  (requesters who are made with a ticket, follow-ups of closed tickets)

Unconfirmed, and here the stricter of what is possible: a ticket for an organization that its
requester does not belong to is refused, and so is every update of a closed ticket. Unconfirmed as
well: an organization field that no administrator made is ignored; how a job words its failures.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from local.sandboxes import zendesk_fields, zendesk_triggers
from local.sandboxes.zendesk_errors import RecordInvalid, RecordNotFound, UpdateConflict

TICKET_CHOICES = {
    "status": ("new", "open", "pending", "hold", "solved", "closed"),
    "priority": ("urgent", "high", "normal", "low", None),
    "type": ("problem", "incident", "question", "task", None),
}
# The states of a ticket that an end user's comment opens again.
ANSWERED_OPENS = ("pending", "hold", "solved")
TICKET_FIELDS = (
    *("external_id", "subject", "due_at", "assignee_id"),
    *TICKET_CHOICES,
)
ORGANIZATION_FIELDS = ("name", "external_id", "domain_names", "details", "notes")
# The custom fields of organizations, which an administrator makes.
CUSTOM_ORGANIZATION_FIELDS = (
    "interlock_dunning",
    "interlock_overdue_amount",
    "interlock_overdue_currency",
    "interlock_overdue_since",
    "interlock_service",
    "interlock_entitlements",
    "interlock_service_until",
    "interlock_service_reason",
)
USER_FIELDS = ("name", "email", "external_id", "role")

Record = dict[str, Any]
Records = dict[Any, Record]


class ZendeskAccount:
    """One account's tickets, comments, organizations and users; `agent` is who the API acts as.

    `on_change` is told each change of a ticket: the ticket, and the audit of the change. `emails`
    are those that the standard triggers sent, oldest first.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        on_change: Callable[[Record, Record], None] = lambda ticket, audit: None,
    ) -> None:
        self.clock = clock
        self.on_change = on_change
        self.tickets: Records = {}
        self.ticket_fields: Records = {}
        self.comments: dict[int, list[Record]] = {}
        self.audits: dict[int, list[Record]] = {}
        self.organizations: Records = {}
        self.users: Records = {}
        self.emails: list[Record] = []
        self._memberships: set[tuple[int, int]] = set()
        self._ids = itertools.count(1)
        self.agent = self._new_user(
            {"name": "Integration", "email": "integration@example.com", "role": "admin"}
        )

    def now(self) -> str:
        """The time as Zendesk writes it: ISO 8601, UTC, whole seconds."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def number_from(self, number: int) -> None:
        """What is made from now on is numbered from here, as Zendesk's support does on request."""
        self._ids = itertools.count(number)

    def create_ticket_field(self, wanted: Record) -> Record:
        """Make a custom field of tickets. Raises RecordInvalid."""
        return self._save(self.ticket_fields, **zendesk_fields.checked_field(wanted))

    def create_ticket(self, wanted: Record, *, by: Record | None = None) -> Record:
        """Make a ticket; its first comment is its description. Raises RecordInvalid."""
        author = by or self._submitter(wanted)
        fields = self._ticket_fields(wanted)
        values = zendesk_fields.checked_values(self.ticket_fields, wanted.get("custom_fields", ()))
        comment = _comment_text(wanted.get("comment") or {}, "Description")
        via = self._followed_up(wanted)
        requester = self._requester(wanted)
        ticket = self._save(
            self.tickets,
            **dict.fromkeys(TICKET_FIELDS) | {"status": "new", "tags": [], "custom_fields": []},
            description=comment["body"],
            requester_id=requester["id"],
            submitter_id=author["id"],
            organization_id=self._organization_id(requester, wanted),
            via={"channel": "api"} | via,
        )
        self._set_fields(ticket, fields)
        self._set_values(ticket, values)
        if organization := self.organizations.get(ticket["organization_id"]):
            ticket["tags"] = _tags([*ticket["tags"], *organization["tags"]])
        self._add_comment(ticket, comment, author)
        self._note(ticket, {}, author)
        return ticket

    def update_ticket(self, number: int, wanted: Record, *, by: Record | None = None) -> Record:
        """Change a ticket. Raises RecordNotFound, RecordInvalid, UpdateConflict."""
        author = by or self.agent
        ticket = existing(self.tickets, number)
        if ticket["status"] == "closed":
            raise RecordInvalid("status", "Status: closed prevents ticket update", "ClosedTicket")
        # A value of false has the same effect as true: only leaving it out forces the update.
        if "safe_update" in wanted and wanted.get("updated_stamp") != ticket["updated_at"]:
            raise UpdateConflict
        fields = self._ticket_fields(wanted)
        if fields.get("status") == "new" and ticket["status"] != "new":
            raise RecordInvalid("status", "Status: can never be set back to new")
        values = zendesk_fields.checked_values(self.ticket_fields, wanted.get("custom_fields", ()))
        before = _audited(ticket)
        if "comment" in wanted:
            self._add_comment(ticket, _comment_text(wanted["comment"], "Comment"), author)
            if author["role"] == "end-user" and ticket["status"] in ANSWERED_OPENS:
                ticket["status"] = "open"
        self._set_fields(ticket, fields)
        self._set_values(ticket, values)
        ticket["updated_at"] = self.now()
        self._note(ticket, before, author)
        return ticket

    def update_in_job(self, number: int, wanted: Record) -> Record:
        """Change a ticket, keeping the tags that it has: the result, as a job has it."""
        result = {"id": number, "action": "update"}
        try:
            tags = [*existing(self.tickets, number)["tags"], *wanted.get("additional_tags", [])]
            left = set(_tags(tags)) - set(_tags(wanted.get("remove_tags", [])))
            self.update_ticket(number, {"tags": sorted(left)} | wanted)
        except (RecordInvalid, RecordNotFound, UpdateConflict) as error:
            failure = {"error": type(error).__name__, "details": str(error)}
            return result | {"success": False, "status": "Failed"} | failure
        return result | {"success": True, "status": "Updated"}

    def create_organization(self, wanted: Record) -> Record:
        """Make an organization with a name of its own. Raises RecordInvalid."""
        return self._save_organization(None, wanted)

    def create_or_update_organization(self, wanted: Record) -> tuple[Record, bool]:
        """The organization with this id or external id, made when new, and whether it was new."""
        known = self.organizations.get(wanted.get("id", 0))
        if known is None and wanted.get("external_id"):
            known = next(matching(self.organizations, "external_id", wanted["external_id"]), None)
        return self._save_organization(known, wanted), known is None

    def update_organization(self, number: int, wanted: Record) -> Record:
        """Change an organization. Raises RecordNotFound, RecordInvalid."""
        return self._save_organization(existing(self.organizations, number), wanted)

    def tag_organization(
        self, number: int, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> list[str]:
        """Add or remove tags, and leave the others: the tags there are then."""
        organization = existing(self.organizations, number)
        tags = set(_tags([*organization["tags"], *add])) - set(_tags(remove))
        organization |= {"tags": sorted(tags), "updated_at": self.now()}
        return organization["tags"]

    def create_or_update_user(self, wanted: Record) -> tuple[Record, bool]:
        """The user with this external id or address, made when new, and whether it was new."""
        keys = [key for key in ("external_id", "email") if wanted.get(key)]
        known = next((u for key in keys for u in matching(self.users, key, wanted[key])), None)
        user = known or self._new_user(wanted)
        user |= {name: wanted[name] for name in USER_FIELDS if name in wanted}
        user["updated_at"] = self.now()
        if (organization_id := wanted.get("organization_id")) is not None:
            existing(self.organizations, organization_id)
            self._memberships.add((user["id"], organization_id))
            user["organization_id"] = organization_id
        return user, known is None

    def _save(self, records: Records, **fields: Any) -> Record:
        number = next(self._ids)
        now = self.now()
        records[number] = {"id": number, "created_at": now, "updated_at": now} | fields
        return records[number]

    def _ticket_fields(self, wanted: Record) -> Record:
        """What a client may set, checked."""
        fields = {name: wanted[name] for name in TICKET_FIELDS if name in wanted}
        for name, choices in TICKET_CHOICES.items():
            if name in fields and fields[name] not in choices:
                raise RecordInvalid(name, f"{name.title()}: is not valid")
        if fields.get("assignee_id") not in (None, *self.users):
            raise RecordInvalid("assignee", "Assignee: is invalid")
        if "tags" in wanted:
            fields["tags"] = _tags(wanted["tags"])
        return fields

    def _set_fields(self, ticket: Record, fields: Record) -> None:
        ticket |= fields
        if ticket["status"] == "solved" and not ticket["assignee_id"]:
            # As with the account's setting "auto assign tickets upon solve".
            ticket["assignee_id"] = self.agent["id"]
        if ticket["status"] == "new" and ticket["assignee_id"]:
            ticket["status"] = "open"

    def _set_values(self, ticket: Record, values: dict[int, Any]) -> None:
        """Set custom fields, and the tags of what is chosen in them; the others stay."""
        before = {each["id"]: each["value"] for each in ticket["custom_fields"]}
        every = dict.fromkeys(self.ticket_fields) | before | values
        ticket["custom_fields"] = [{"id": id, "value": value} for id, value in every.items()]
        chosen = zendesk_fields.tags_of(self.ticket_fields, every)
        gone = zendesk_fields.tags_of(self.ticket_fields, before) - chosen
        ticket["tags"] = sorted((set(ticket["tags"]) - gone) | chosen)

    def _note(self, ticket: Record, before: dict[str, Any], author: Record) -> None:
        """Remember who changed what, and tell it."""
        kind = "Change" if before else "Create"
        events = []
        for name, value in _audited(ticket).items():
            if value != before.get(name):
                event = {"id": next(self._ids), "type": kind, "field_name": name, "value": value}
                previous = {"previous_value": before.get(name)} if before else {}
                events.append(event | previous)
        audit = {
            "id": next(self._ids),
            "ticket_id": ticket["id"],
            "created_at": ticket["updated_at"],
            "author_id": author["id"],
            "via": {"channel": "api" if author is self.agent else "web"},
            "metadata": {"system": {}, "custom": {}},
            "events": events,
        }
        self.audits.setdefault(ticket["id"], []).append(audit)
        self.on_change(ticket, audit)

    def _add_comment(self, ticket: Record, comment: Record, author: Record) -> None:
        """Append to the conversation; a comment is as public as the one before, unless it says."""
        conversation = self.comments.setdefault(ticket["id"], [])
        public = conversation[-1]["public"] if conversation else True
        defaults = {"author_id": author["id"], "public": public, "created_at": self.now()}
        conversation.append({"id": next(self._ids), "type": "Comment"} | defaults | comment)
        ticket["is_public"] = any(comment["public"] for comment in conversation)
        if conversation[-1]["public"]:
            requester = self.users[ticket["requester_id"]]
            self.emails.extend(
                zendesk_triggers.notify_requester(ticket, comment, author, requester)
            )

    def _submitter(self, wanted: Record) -> Record:
        """Who a new ticket is made by, and who wrote its first comment: the agent, if not told."""
        number = wanted.get("submitter_id", self.agent["id"])
        if number not in self.users:
            raise RecordInvalid("submitter", "Submitter: is invalid")
        return self.users[number]

    def _followed_up(self, wanted: Record) -> Record:
        """Where a new ticket comes from that follows a closed one up; nowhere, for any other."""
        source = self.tickets.get(wanted.get("via_followup_source_id", 0))
        if source is None or source["status"] != "closed":
            return {}
        return {"source": {"from": {"ticket_id": source["id"]}, "to": {}, "rel": "follow_up"}}

    def _requester(self, wanted: Record) -> Record:
        """Who a new ticket is for: by id, by address (made when new), or else the agent."""
        if (number := wanted.get("requester_id")) is not None:
            if number not in self.users:
                raise RecordInvalid("requester", "Requester: is invalid")
            return self.users[number]
        if requester := wanted.get("requester"):
            known = matching(self.users, "email", requester.get("email") or "")
            return next(known, None) or self._new_user(requester)
        return self.agent

    def _new_user(self, wanted: Record) -> Record:
        if not wanted.get("name"):
            raise RecordInvalid("name", "Name: is too short (minimum one character)", "BlankValue")
        blank = dict.fromkeys((*USER_FIELDS, "organization_id"))
        given = {name: wanted[name] for name in USER_FIELDS if name in wanted}
        user = self._save(self.users, **blank | {"role": "end-user"} | given)
        domain = (user["email"] or "").partition("@")[2].lower()
        for organization in sorted(self.organizations.values(), key=lambda each: each["name"]):
            if domain and domain in (organization["domain_names"] or ()):
                self._memberships.add((user["id"], organization["id"]))
                user["organization_id"] = organization["id"]
                break
        return user

    def _organization_id(self, requester: Record, wanted: Record) -> int | None:
        organization_id = wanted.get("organization_id")
        if organization_id is None:
            return requester["organization_id"]
        if (requester["id"], organization_id) not in self._memberships:
            raise RecordInvalid("organization", "Organization: is not one of the requester's")
        return organization_id

    def _save_organization(self, known: Record | None, wanted: Record) -> Record:
        if not (wanted.get("name") or known):
            raise RecordInvalid("name", "Name: cannot be blank", "BlankValue")
        for attribute in ("name", "external_id"):
            value = wanted.get(attribute) or ""
            if any(twin is not known for twin in matching(self.organizations, attribute, value)):
                taken = f"{attribute.title()}: {value} has already been taken"
                raise RecordInvalid(attribute, taken, "DuplicateValue")
        if known is None:
            custom = {"organization_fields": dict.fromkeys(CUSTOM_ORGANIZATION_FIELDS), "tags": []}
            known = self._save(self.organizations, **dict.fromkeys(ORGANIZATION_FIELDS), **custom)
        known |= {name: wanted[name] for name in ORGANIZATION_FIELDS if name in wanted}
        known["tags"] = _tags(wanted.get("tags", known["tags"]))
        given = wanted.get("organization_fields", {})
        known["organization_fields"] |= {
            key: given[key] for key in CUSTOM_ORGANIZATION_FIELDS if key in given
        }
        known["updated_at"] = self.now()
        return known


def existing(records: Records, number: Any) -> Record:
    """The record with this id. Raises RecordNotFound."""
    if number not in records:
        raise RecordNotFound
    return records[number]


def matching(records: Records, attribute: str, value: str) -> Iterator[Record]:
    """The records with this value, whatever the case of its letters; none for an empty value."""
    folded = value.casefold()
    return (r for r in records.values() if folded and (r[attribute] or "").casefold() == folded)


def _audited(ticket: Record) -> dict[str, Any]:
    """What audits tell of a ticket; a custom field is named by its id."""
    custom = {str(each["id"]): each["value"] for each in ticket["custom_fields"]}
    return {name: ticket[name] for name in (*TICKET_FIELDS, "tags")} | custom


def _tags(texts: Iterable[str]) -> list[str]:
    """Tags are in small letters, each once; a space begins another."""
    return sorted({tag for text in texts for tag in text.lower().split()})


def _comment_text(comment: Record, label: str) -> Record:
    """A comment's text in the three forms that Zendesk answers, and what else was said of it."""
    body = comment.get("body") or comment.get("html_body")
    if not body:
        raise RecordInvalid("base", f"{label}: cannot be blank", "BlankValue")
    forms = {"body": body, "plain_body": body, "html_body": f"<p>{html.escape(body)}</p>"}
    return forms | comment
