"""The tags of a dunning flag, on a Zendesk organization and on its open tickets.

- Tags, which are added and removed, never set, so that nobody's are lost:
  https://developer.zendesk.com/api-reference/ticketing/ticket-management/tags/
- Those of many tickets, by a job:
  https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#updating-tag-lists
  https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/
- A new ticket gets the tags of its organization, which is tagged first for that:
  https://support.zendesk.com/hc/en-us/articles/203662006

What is tagged as it should be is not written again, so another attempt goes on where one ended. A
ticket that is solved keeps the tags that it has: a closed one cannot be changed.

Unconfirmed: whether a job adds and removes tags in one go, so each does one of the two; in which
words it tells of a ticket that it could not update, so only that it did not is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interlock.canonical.dunning import DunningStatus
from interlock.connectors.support.zendesk_lists import Call, listed
from interlock.connectors.support.zendesk_records import CLOSED, Json
from interlock.errors import OutcomeUnknown

# A customer on hold is past due as well.
TAGS = {
    DunningStatus.NONE: frozenset[str](),
    DunningStatus.PAST_DUE: frozenset({"interlock_past_due"}),
    DunningStatus.ON_HOLD: frozenset({"interlock_past_due", "interlock_on_hold"}),
}
OURS = frozenset[str]().union(*TAGS.values())
# The most that a job takes.
BATCH = 100
# A job of a hundred tickets takes seconds. One that takes longer is left to the next attempt.
POLLS = 10
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Tagging:
    """Tags what belongs to an account.

    `call` sends a request and returns the JSON of its answer, `sleep` waits between two looks at a
    job.
    """

    account_id: str
    call: Call
    sleep: Callable[[float], None]

    def tag(self, organization: Json, status: DunningStatus) -> None:
        """Give the organization and its open tickets the tags of a status, and no other of ours.

        Raises OutcomeUnknown when not every ticket was tagged, or not in time, and what `call`
        raises.
        """
        path, wanted = f"organizations/{organization['id']}", TAGS[status]
        missing, surplus = _changes(organization, wanted)
        if missing:
            self.call("PUT", f"{path}/tags", json={"tags": missing})
        if surplus:
            self.call("DELETE", f"{path}/tags", json={"tags": surplus})
        changes = {
            ticket["id"]: _changes(ticket, wanted)
            for ticket in listed(self.call, f"{path}/tickets", "tickets")
            if ticket["status"] not in CLOSED
        }
        lacking = [number for number, (missing, _) in changes.items() if missing]
        self._update(lacking, {"additional_tags": sorted(wanted)})
        others = [number for number, (_, surplus) in changes.items() if surplus]
        self._update(others, {"remove_tags": sorted(OURS - wanted)})

    def _update(self, numbers: list[int], change: Json) -> None:
        """Make the same change to each ticket."""
        for start in range(0, len(numbers), BATCH):
            begun = self.call(
                "PUT",
                "tickets/update_many",
                params={"ids": ",".join(map(str, numbers[start : start + BATCH]))},
                json={"ticket": change},
            )
            self._finish(begun["job_status"])

    def _finish(self, job: Json) -> None:
        """Wait for a job. Raises OutcomeUnknown unless it ends in time, with no ticket left out."""
        for _ in range(POLLS):
            if job["status"] not in ("queued", "working"):
                break
            self.sleep(POLL_SECONDS)
            job = self.call("GET", f"job_statuses/{job['id']}")["job_status"]
        left_out = [str(each["id"]) for each in job["results"] or () if not each["success"]]
        if left_out or job["status"] != "completed":
            which = f", and left out {', '.join(left_out)}" if left_out else ""
            raise OutcomeUnknown(
                f"not every open ticket has its tags: their update is {job['status']}{which}",
                vendor="zendesk",
                operation="write_dunning",
                record=self.account_id,
            )


def _changes(record: Json, wanted: frozenset[str]) -> tuple[list[str], list[str]]:
    """Which of our tags a record lacks, and which it has too much."""
    tags = OURS.intersection(record["tags"])
    return sorted(wanted - tags), sorted(tags - wanted)
