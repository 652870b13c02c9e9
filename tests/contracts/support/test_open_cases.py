"""What every support adapter must tell of a customer's open cases, against the sandbox."""

from __future__ import annotations

import pytest
from interlock.canonical import Task
from interlock.canonical.customer_view import OpenCases
from interlock.connectors.support.port import SupportPort

from local.sandboxes.zendesk_desk import SupportDesk
from tests.contracts.support.test_notices import NOTICE, send

ACCOUNT = "crm:0017"
NONE = OpenCases(open=0, severe=())

Person = dict


@pytest.fixture
def agent(desk: SupportDesk) -> Person:
    """An agent."""
    return desk.agent("sam@support.example")


def test_a_customer_that_support_does_not_know(support: SupportPort) -> None:
    assert support.get_open_cases(ACCOUNT) == NONE


def test_cases_are_open_until_they_are_solved(
    support: SupportPort, desk: SupportDesk, agent: Person
) -> None:
    statuses = ("new", "open", "pending", "hold", "solved", "closed")
    for status in statuses:
        desk.edit(desk.file(ACCOUNT, "It smokes", by=agent), by=agent, status=status)
    desk.file("crm:0018", "Of somebody else", by=agent)
    desk.file(None, "Of nobody", by=agent)

    assert support.get_open_cases(ACCOUNT) == OpenCases(open=4, severe=())


def test_the_critical_ones_are_severe(
    support: SupportPort, desk: SupportDesk, agent: Person
) -> None:
    numbers = [
        desk.file(ACCOUNT, "It smokes", by=agent, severity=severity)
        for severity in ("critical", "major", "minor", "critical", "critical")
    ]
    desk.enter(numbers[1], by=agent, severity="critical")
    desk.enter(numbers[3], by=agent, severity="minor")
    desk.solve(numbers[4], by=agent)

    severe = (str(numbers[0]), str(numbers[1]))
    assert support.get_open_cases(ACCOUNT) == OpenCases(open=4, severe=severe)


def test_our_own_tickets_are_no_cases(support: SupportPort, desk: SupportDesk) -> None:
    task = Task(
        id="order-1", subject="Kick-off", body="Plan", customer_id=ACCOUNT, customer_name="Acme"
    )
    support.create_task(task, idempotency_key="key-0")
    organization = next(iter(desk.sandbox.account.organizations.values()))
    organization["domain_names"] = ["acme.example"]
    number = int(send(support, NOTICE))
    assert desk.sandbox.account.tickets[number]["organization_id"] == organization["id"]
    desk.answer(number, "Please cancel.")

    assert support.get_open_cases(ACCOUNT) == NONE


def test_more_than_a_page(support: SupportPort, desk: SupportDesk, agent: Person) -> None:
    numbers = [desk.file(ACCOUNT, "It smokes", by=agent) for _ in range(101)]
    desk.enter(numbers[-1], by=agent, severity="critical")

    assert support.get_open_cases(ACCOUNT) == OpenCases(open=101, severe=(str(numbers[-1]),))
