"""zenpy, a widely used client of Zendesk's API, drives the sandbox as it would drive Zendesk."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import requests
from zenpy import Zenpy
from zenpy.lib.api_objects import Comment, Organization, Ticket, TicketField, User
from zenpy.lib.exception import APIException, RatelimitBudgetExceeded, RecordNotFoundException

from local.sandboxes.sandbox import FaultKind, Sandbox


@pytest.fixture
def zenpy(sandbox: Sandbox, token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenpy]:
    """zenpy on the sandbox; the two variables are its own way to be given another address."""
    address = httpx.URL(sandbox.url)
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", address.netloc.decode())
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", address.scheme)
    with requests.Session() as session:
        yield Zenpy(
            subdomain="sandbox",
            oauth_token=token,
            session=session,
            disable_cache=True,
            ratelimit_budget=1,
        )


def make_ticket(zenpy: Zenpy, **fields: object) -> Ticket:
    """Create a ticket with some text in it."""
    comment = Comment(body="The smoke is very colorful.")
    return zenpy.tickets.create(Ticket(comment=comment, **fields)).ticket


def test_login(zenpy: Zenpy) -> None:
    assert zenpy.users.me().role == "admin"


def test_creates_and_reads_a_ticket(zenpy: Zenpy) -> None:
    comment = Comment(body="Internal", public=False)
    audit = zenpy.tickets.create(
        Ticket(subject="My printer", comment=comment, tags=["Paper Jam"], external_id="case-1")
    )

    ticket = zenpy.tickets(id=audit.ticket.id)

    assert isinstance(ticket.id, int)
    assert ticket.subject == "My printer"
    assert ticket.description == "Internal"
    assert ticket.status == "new"
    assert ticket.tags == ["jam", "paper"]
    assert ticket.created.year == 2026


def test_lists_by_external_id(zenpy: Zenpy) -> None:
    wanted = make_ticket(zenpy, external_id="case-1")
    make_ticket(zenpy, external_id="case-2")

    assert [ticket.id for ticket in zenpy.tickets(external_id="case-1")] == [wanted.id]


def test_follows_cursors(zenpy: Zenpy) -> None:
    numbers = [make_ticket(zenpy).id for _ in range(5)]

    assert [ticket.id for ticket in zenpy.tickets(cursor_pagination=2)] == numbers


def test_follows_numbered_pages(zenpy: Zenpy) -> None:
    numbers = [make_ticket(zenpy).id for _ in range(5)]

    pages = zenpy.tickets(cursor_pagination=False, per_page=2)

    assert pages.count == 5
    assert [ticket.id for ticket in pages] == numbers


def test_solves_with_an_internal_note(zenpy: Zenpy) -> None:
    ticket = make_ticket(zenpy)
    ticket.status = "solved"
    ticket.comment = Comment(body="Cancelled", public=False)

    solved = zenpy.tickets.update(ticket).ticket

    assert solved.status == "solved"
    assert solved.assignee_id == zenpy.users.me().id
    comments = list(zenpy.tickets.comments(ticket.id))
    assert [(comment.body, comment.public) for comment in comments] == [
        ("The smoke is very colorful.", True),
        ("Cancelled", False),
    ]


def test_closed_ticket_cannot_be_changed(zenpy: Zenpy) -> None:
    ticket = make_ticket(zenpy)
    ticket.status = "closed"
    zenpy.tickets.update(ticket)
    ticket.status = "open"

    with pytest.raises(APIException, match="closed prevents ticket update") as refused:
        zenpy.tickets.update(ticket)

    assert refused.value.response.status_code == 422


def test_missing_ticket(zenpy: Zenpy) -> None:
    with pytest.raises(RecordNotFoundException):
        zenpy.tickets(id=404)


def test_organization_is_made_once_per_external_id(zenpy: Zenpy) -> None:
    first = zenpy.organizations.create_or_update(Organization(name="Acme", external_id="crm-7"))
    second = zenpy.organizations.create_or_update(
        Organization(name="ACME Inc", external_id="CRM-7")
    )

    assert first.id == second.id
    assert [organization.name for organization in zenpy.organizations()] == ["ACME Inc"]


def test_duplicate_organization_is_refused(zenpy: Zenpy) -> None:
    zenpy.organizations.create(Organization(name="Acme"))

    with pytest.raises(APIException, match="has already been taken"):
        zenpy.organizations.create(Organization(name="acme"))


def test_ticket_of_a_user_belongs_to_its_organization(zenpy: Zenpy) -> None:
    organization = zenpy.organizations.create(Organization(name="Acme"))
    user = zenpy.users.create_or_update(
        User(name="Wile", external_id="contact-1", organization_id=organization.id)
    )

    ticket = make_ticket(zenpy, requester_id=user.id)

    assert ticket.organization_id == organization.id
    assert zenpy.users(id=user.id).name == "Wile"


def test_a_requester_is_made_with_the_ticket_and_never_changed(zenpy: Zenpy) -> None:
    organization = zenpy.organizations.create(
        Organization(name="Acme", domain_names=["acme.example"])
    )
    wile, wily = (User(name=name, email="wile@acme.example") for name in ("Wile", "Wily"))

    first = make_ticket(zenpy, requester=wile, external_id="notice-1")
    second = make_ticket(zenpy, requester=wily)

    requester = zenpy.users(id=first.requester_id)
    assert second.requester_id == requester.id
    assert (requester.name, requester.email) == ("Wile", "wile@acme.example")
    assert (requester.role, requester.organization_id) == ("end-user", organization.id)
    assert first.organization_id == organization.id


def test_a_submitter_writes_the_first_comment(zenpy: Zenpy) -> None:
    agent = zenpy.users.create_or_update(User(name="Sam", email="sam@x.example", role="agent"))

    ticket = make_ticket(zenpy, submitter_id=agent.id)

    assert ticket.submitter_id == agent.id
    assert [comment.author_id for comment in zenpy.tickets.comments(ticket.id)] == [agent.id]
    with pytest.raises(APIException, match="Submitter: is invalid"):
        make_ticket(zenpy, submitter_id=404)


def test_only_closed_tickets_are_followed_up(zenpy: Zenpy) -> None:
    source = make_ticket(zenpy)
    assert make_ticket(zenpy, via_followup_source_id=source.id).via.source is None
    source.status = "closed"
    zenpy.tickets.update(source)

    follow_up = make_ticket(zenpy, via_followup_source_id=source.id)

    assert follow_up.via.source.rel == "follow_up"


def test_tags_of_an_organization_are_added_and_removed_beside_others(zenpy: Zenpy) -> None:
    organization = zenpy.organizations.create(Organization(name="Acme", tags=["vip"]))

    zenpy.organizations.add_tags(organization.id, ["Past_Due", "vip"])
    assert zenpy.organizations(id=organization.id).tags == ["past_due", "vip"]
    zenpy.organizations.delete_tags(organization.id, ["past_due", "unknown"])
    assert zenpy.organizations(id=organization.id).tags == ["vip"]


def test_fields_of_an_organization_are_updated_one_by_one(zenpy: Zenpy) -> None:
    organization = zenpy.organizations.create(
        Organization(name="Acme", organization_fields={"interlock_dunning": "past due"})
    )
    organization.organization_fields = {"interlock_overdue_amount": "12.50"}

    updated = zenpy.organizations.update(organization)

    assert updated.organization_fields["interlock_dunning"] == "past due"
    assert updated.organization_fields["interlock_overdue_amount"] == "12.50"


def test_tickets_of_an_organization(zenpy: Zenpy) -> None:
    organization = zenpy.organizations.create(Organization(name="Acme", tags=["vip"]))
    user = zenpy.users.create_or_update(User(name="Wile", organization_id=organization.id))
    tickets = [make_ticket(zenpy, requester_id=user.id, tags=["printer"]) for _ in range(3)]
    make_ticket(zenpy)

    found = list(zenpy.tickets.organizations(organization.id))

    assert [ticket.id for ticket in found] == [ticket.id for ticket in tickets]
    assert [ticket.tags for ticket in found] == [["printer", "vip"]] * 3


def test_many_tickets_are_updated_by_a_job(zenpy: Zenpy) -> None:
    tickets = [make_ticket(zenpy) for _ in range(3)]
    tickets[0].status = "closed"
    zenpy.tickets.update(tickets[0])
    for ticket in tickets:
        ticket.priority = "high"

    job = zenpy.tickets.update(tickets)
    assert (job.status, job.total) == ("queued", 3)
    done = zenpy.job_status(id=job.id)

    assert (done.status, done.progress) == ("completed", 3)
    assert [result.success for result in done.results] == [False, True, True]
    assert [zenpy.tickets(id=ticket.id).priority for ticket in tickets] == [None, "high", "high"]


def test_custom_fields_are_set_one_by_one_and_put_their_tags(zenpy: Zenpy) -> None:
    options = [{"name": "Requested", "value": "interlock_credit_requested"}]
    credit = zenpy.ticket_fields.create(
        TicketField(title="Credit", type="tagger", custom_field_options=options)
    )
    amount = zenpy.ticket_fields.create(TicketField(title="Amount", type="text"))
    assert {field.id for field in zenpy.ticket_fields()} == {credit.id, amount.id}
    ticket = make_ticket(zenpy, tags=["vip"])

    for field, value in ((credit, "interlock_credit_requested"), (amount, "12.50 USD")):
        ticket.custom_fields = [{"id": field.id, "value": value}]
        zenpy.tickets.update(ticket)

    now = zenpy.tickets(id=ticket.id)
    assert {each["id"]: each["value"] for each in now.custom_fields} == {
        credit.id: "interlock_credit_requested",
        amount.id: "12.50 USD",
    }
    ticket.custom_fields = [{"id": credit.id, "value": "interlock_credit_unknown"}]
    with pytest.raises(APIException, match="is invalid"):
        zenpy.tickets.update(ticket)


def test_audits_tell_who_set_which_field(zenpy: Zenpy) -> None:
    amount = zenpy.ticket_fields.create(TicketField(title="Amount", type="text"))
    ticket = make_ticket(zenpy)
    ticket.custom_fields = [{"id": amount.id, "value": "12.50 USD"}]
    audit = zenpy.tickets.update(ticket).audit

    [made, changed] = zenpy.tickets.audits(ticket=ticket.id)

    assert (changed.id, changed.author_id) == (audit.id, zenpy.users.me().id)
    assert {event["type"] for event in made.events} == {"Create"}
    [event] = changed.events
    assert (event["type"], event["field_name"]) == ("Change", str(amount.id))
    assert (event["value"], event["previous_value"]) == ("12.50 USD", None)


def test_search_finds_by_tag(zenpy: Zenpy) -> None:
    wanted = make_ticket(zenpy, tags=["interlock_credit_requested"])
    make_ticket(zenpy, tags=["other"])
    closed = make_ticket(zenpy, tags=["interlock_credit_requested"])
    closed.status = "closed"
    zenpy.tickets.update(closed)

    found = zenpy.search_export(
        tags="interlock_credit_requested", status_less_than="closed", type="ticket"
    )

    assert [ticket.id for ticket in found] == [wanted.id]


def test_refused_token(zenpy: Zenpy, sandbox: Sandbox) -> None:
    sandbox.expire_tokens()

    with pytest.raises(APIException, match="invalid_token") as refused:
        zenpy.users.me()

    assert refused.value.response.status_code == 401


def test_waits_as_long_as_it_is_told(zenpy: Zenpy, sandbox: Sandbox) -> None:
    sandbox.fail(FaultKind.THROTTLE, retry_after=30)

    with pytest.raises(RatelimitBudgetExceeded):  # zenpy would wait, but has no time to spend
        zenpy.users.me()
