"""On which day a document is posted when its own day's period is not open: rules in a file."""

from __future__ import annotations

import tomllib
from datetime import date
from enum import StrEnum
from pathlib import Path

from interlock.canonical.base import Canonical
from interlock.connectors.erp.port import PeriodState, PostingContext
from interlock.errors import BusinessRuleViolation
from interlock.rules.bookable import Bookable


class Treatment(StrEnum):
    """What to do about a document of a day that takes no posting.

    POST tries all the same: an ERP may take postings into a period that it calls locked.
    """

    POST = "post"
    NEXT_OPEN_DAY = "next open day"
    ASK = "ask"


class Treatments(Canonical):
    """By what the period is."""

    closed: Treatment
    locked: Treatment


class PostingPolicy(Canonical):
    """By the kind of a document. `version` is raised with every change, for the audit."""

    version: int
    invoice: Treatments
    credit_note: Treatments
    payment: Treatments
    entry: Treatments

    @classmethod
    def load(cls, path: Path) -> PostingPolicy:
        """Raises ValueError when a rule is missing or unknown."""
        return cls.model_validate(tomllib.loads(path.read_text()))

    def posting_date(self, document: Bookable, day: date, context: PostingContext) -> date:
        """On which day a document of a day is posted.

        Raises BusinessRuleViolation when Finance has to say.
        """
        if context.period == PeriodState.OPEN:
            return day
        if context.period != PeriodState.MISSING:
            treatment = getattr(self._of(document), context.period)
            if treatment == Treatment.POST:
                return day
            if treatment == Treatment.NEXT_OPEN_DAY and context.next_open_day:
                return context.next_open_day
        name = getattr(document, "number", None) or f"the {document.kind}"
        raise BusinessRuleViolation(
            [
                f"{name} is of {day}, and the ERP's period of that day is {context.period}: open"
                " it and retry, or retry with posting_date set to a day that is open"
            ],
            operation="prepare_posting",
            record=document.id,
        )

    def _of(self, document: Bookable) -> Treatments:
        return getattr(self, document.kind, self.entry)
