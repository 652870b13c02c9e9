"""What happens to a contract before its end, and what must have come of it when the year is over.

What people do about a contract that goes on by itself, they do before its notice deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from interlock.rules.milestones import MILESTONES

NOTICE_DAYS = 30
# Until what is never paid is due, and the terms hold the customer back.
DUE = 45


class What(StrEnum):
    """What people do, or what happens to a system."""

    WIN = "won"
    LOSE = "lost"
    SET_SEATS = "other quantities agreed"
    ASK_DISCOUNT = "a discount asked for"
    APPROVE = "the discount approved"
    REJECT = "the discount rejected"
    UPSELL = "more seats sold at once"
    RENEW_EARLY = "renewed by sales, early"
    CONSOLIDATE = "to be served by another contract"
    PAY = "what was overdue is paid"
    LOSE_SCHEDULES = "its schedules are lost"
    BREAK_SUPPORT = "support's system is down"
    MEND_SUPPORT = "support's system is up again"


class Ending(StrEnum):
    """What must have come of a contract when the year is over."""

    RENEWED = "renewed"
    ENDED = "ended"
    GOES_ON = "goes on"


@dataclass(frozen=True)
class Act:
    """So many `days` before the contract's end; `amount` is of seats, percent, or a factor."""

    days: int
    what: What
    amount: Decimal = Decimal(0)


@dataclass(frozen=True)
class Story:
    """What happens to a contract.

    `auto_renews` says what was signed, None where the story is the same with both. One that does
    not pay owes what it is invoiced until the story says otherwise.
    """

    title: str
    acts: tuple[Act, ...] = ()
    ending: Ending = Ending.RENEWED
    auto_renews: bool | None = None
    pays: bool = True

    @property
    def begins(self) -> int:
        """How many days before the end."""
        began = max([MILESTONES[0], *(act.days for act in self.acts)])
        return began if self.pays else began + DUE


WIN = Act(70, What.WIN)
QUOTED = Story("Won as quoted", (WIN,))
SILENT = Story("Nobody says anything: it goes on by itself", auto_renews=True)
CHURNED = Story("The customer leaves", (Act(65, What.LOSE),), ending=Ending.ENDED)
EXPANDED = Story("More seats", (Act(75, What.SET_SEATS, Decimal("1.4")), WIN))
CONTRACTED = Story("Fewer seats", (Act(75, What.SET_SEATS, Decimal("0.6")), WIN))
APPROVED = Story(
    "A discount that a person approves",
    (Act(100, What.ASK_DISCOUNT, Decimal(12)), Act(96, What.APPROVE), WIN),
)
REJECTED = Story(
    "A discount that a person rejects: won at the price by the terms",
    (Act(100, What.ASK_DISCOUNT, Decimal(30)), Act(96, What.REJECT), WIN),
)
UPSOLD = Story(
    "More seats are sold while a quote is open", (Act(80, What.UPSELL, Decimal(10)), WIN)
)
EARLY = Story("Renewed early, by a deal that sales made", (Act(150, What.RENEW_EARLY),))
HOST = Story("Takes over the products of the next one", (WIN,))
CONSOLIDATED = Story(
    "Its customer was merged with another: one contract for both",
    (Act(90, What.CONSOLIDATE), WIN),
    ending=Ending.ENDED,
)
REVERSED = Story(
    "The customer leaves, and thinks better of it", (Act(65, What.LOSE), Act(20, What.WIN))
)
LAPSED = Story("Nobody says anything: it ends", ending=Ending.ENDED, auto_renews=False)
FORGOTTEN = Story(
    "Its schedules are lost, the daily sweep finds it",
    (Act(130, What.LOSE_SCHEDULES), WIN),
)
OVERDUE = Story(
    "Held back until the customer pays what is overdue",
    (WIN, Act(62, What.PAY)),
    auto_renews=False,
    pays=False,
)
UNSEEN = Story(
    "Support's system is down while the customer is looked at",
    (Act(91, What.BREAK_SUPPORT), Act(89, What.MEND_SUPPORT), WIN),
)
NEW = Story("Signed in the year", ending=Ending.GOES_ON)

# One of each; who comes later has one of the usual ones.
STORIES = (
    *(QUOTED, SILENT, CHURNED, EXPANDED, CONTRACTED, APPROVED, REJECTED, UPSOLD, EARLY),
    *(HOST, CONSOLIDATED, REVERSED, LAPSED, FORGOTTEN, OVERDUE, UNSEEN, NEW),
)
USUAL = {QUOTED: 50, EXPANDED: 15, CONTRACTED: 8, SILENT: 14, CHURNED: 8, NEW: 5}
