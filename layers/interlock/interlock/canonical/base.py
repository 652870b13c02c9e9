"""What every canonical model has in common."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def aware_utc(value: datetime) -> datetime:
    """The same time in UTC. Raises ValueError for one without a time zone, or out of range."""
    if value.tzinfo is None:
        raise ValueError("a time needs a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999 in UTC") from None


Timestamp = Annotated[datetime, AfterValidator(aware_utc)]
CalendarDay = date
Text = Annotated[str, Field(min_length=1, max_length=1000)]
RecordId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w.:@/+-]+$")]


class Canonical(BaseModel):
    """Immutable, and refuses what it does not know: a typo is an error, not a lost value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def fingerprint(self, *, exclude: set[str] | None = None) -> str:
        """A SHA-256 of the content: equal content has an equal fingerprint in any process."""
        content = self.model_dump(mode="json", exclude=exclude)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class Record(Canonical):
    """A business record. `id` is canonical: `<connection>:<id there>` of where it was born.

    `references` maps a connection's name to the record's id in that system.
    """

    id: RecordId
    references: dict[str, str] = {}


# What a team may decide about a failed step.
Action = Literal["retry", "skip", "link", "compensate"]


class Remediation(Canonical):
    """A team's decision about a failed step, given to that step when the workflow resumes.

    A link says which existing record (`remote_id`) stands for which of ours (`record`).
    """

    step: str
    action: Action
    by: Text
    reason: Text
    remote_id: str | None = None
    record: str | None = None


class Command(Canonical):
    """The input of a connector operation. `correlation_id` is the transaction it belongs to.

    `dry_run` is the id of the dry run that it is part of, empty for a run in earnest: in a dry run
    nothing may be written, and what would be is noted under this id.
    """

    correlation_id: RecordId
    dry_run: Annotated[str, Field(max_length=80)] = ""
    remediation: Remediation | None = None

    @property
    def skipped(self) -> bool:
        """Whether a team decided that the step is not run."""
        return self.remediation is not None and self.remediation.action == "skip"

    def link_for(self, record: str) -> str | None:
        """The id in the remote system that a team linked to this record, if it did."""
        decision = self.remediation
        if decision and decision.action == "link" and decision.record == record:
            return decision.remote_id
        return None


class Compensation(Command):
    """The input of an operation that takes a write back.

    Skipped, it leaves the record to people, and the effect ledger has to know that.
    """
