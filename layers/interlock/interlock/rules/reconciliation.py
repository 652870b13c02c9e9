"""Do billing and the books say the same? Which documents differ, why, and what to do about it.

A period is divided into slices: the documents of one kind and of some days. Of each slice both
systems are digested (`rules.digest`); where the digests differ, both systems are asked for the very
documents that do, and only what they then say is a break. So it does no harm that a system lists a
document under another day than the other one, or that a document changed between two pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum

from interlock.canonical import Currency, Money
from interlock.canonical.base import Canonical, RecordId
from interlock.canonical.books import Fact, FactKind, FactsPage
from interlock.errors import BusinessRuleViolation, TransientError
from interlock.rules.digest import Differences, Digest, Figure

# What is younger may still be on its way from billing into the books.
IN_FLIGHT = timedelta(hours=1)
# A run has so many slices at most, and tells of so many documents: all of it must fit into what a
# state machine may pass on.
MOST_PARTS = 8
MOST_TOLD = 100
# So many of them in words: a step's error is text of a limited length.
MOST_SENTENCES = 20
# So many documents of a slice are looked up, one request each at some systems.
MOST_LOOKED_UP = 50
MOST_DAYS = 366


class Slice(Canonical):
    """The documents of a kind, of days of which both are included.

    `most_told` is of how many differing ones the result may tell.
    """

    kind: FactKind
    first_day: date
    last_day: date
    most_told: int

    def holds(self, day: date) -> bool:
        """Whether a day is one of its."""
        return self.first_day <= day <= self.last_day


class Progress(Canonical):
    """What a system's facts of a slice came to so far; `next` is where to go on.

    `is_done` once there are no more. `system` is the name of the connection.
    """

    system: str
    digest: Digest = Digest()
    next: str | None = None
    is_done: bool = False


class Difference(StrEnum):
    """In what billing and the books differ about a document."""

    NOT_IN_BOOKS = "missing in the books"
    NOT_IN_BILLING = "missing in billing"
    TWICE = "posted twice"
    AMOUNT = "another amount"
    CUSTOMER = "another customer"
    PERIOD = "another period"


_ADVICE = {
    Difference.NOT_IN_BOOKS: "see its run in `interlock runs`, and replay its event",
    Difference.NOT_IN_BILLING: "it was voided or never made there: reverse it in the ERP",
    Difference.TWICE: "keep one in the ERP and reverse the others",
    Difference.AMOUNT: "correct the books, which follow billing",
    Difference.CUSTOMER: "move it to billing's customer in the ERP",
    Difference.PERIOD: "nothing: it was posted on a day of another period",
}


class Break(Canonical):
    """A document about which the two systems differ; an amount is None where it is missing."""

    kind: FactKind
    id: str
    customer_id: RecordId | None
    difference: Difference
    billing: Money | None
    books: Money | None
    billing_day: date | None
    books_day: date | None

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _ADVICE[self.difference]

    def __str__(self) -> str:
        name = self.kind.replace("_", " ")
        whose = f" of {self.customer_id}" if self.customer_id else ""
        said = f"{_told(self.billing)} in billing, {_told(self.books)} in the books"
        return f"{name} {self.id}{whose}: {self.difference} ({said}): {self.advice}"


class Reconciled(Canonical):
    """A slice held against the books. `elsewhere` are equal, but posted in another period.

    `untold` is how many more may differ; where too many do to say which, by the numbers alone.
    """

    part: Slice
    billing: dict[Currency, Figure]
    books: dict[Currency, Figure]
    breaks: tuple[Break, ...] = ()
    elsewhere: tuple[Break, ...] = ()
    untold: int = 0

    @property
    def agrees(self) -> bool:
        """Whether nothing is left to be explained."""
        return not self.breaks and not self.untold


class Row(Canonical):
    """One row of the report; a currency that one system does not have is zero there."""

    kind: FactKind
    currency: Currency
    billing: Figure
    books: Figure

    @property
    def difference(self) -> Money:
        """What billing has more than the books."""
        return self.billing.total - self.books.total


class Report(Canonical):
    """All slices of a run together."""

    first_day: date
    last_day: date
    rows: tuple[Row, ...]
    breaks: tuple[Break, ...]
    elsewhere: tuple[Break, ...]
    untold: int

    @property
    def problems(self) -> list[str]:
        """What Finance has to look at, in sentences; none when the books follow billing."""
        told = [str(one) for one in self.breaks[:MOST_SENTENCES]]
        if more := len(self.breaks[MOST_SENTENCES:]):
            told.append(f"{more} more are in the report")
        if self.untold:
            told.append(
                f"about {self.untold} more documents may differ: settle what all of them have in"
                " common, and retry"
            )
        return told


def period(now: datetime, first_day: date | None, last_day: date | None) -> tuple[date, date]:
    """The days to reconcile: those given, without what may still be in flight.

    None given: the month of the last day that may be reconciled, up to it. Raises
    BusinessRuleViolation when there is no such day, or there are too many.
    """
    settled = (now - IN_FLIGHT).date() - timedelta(days=1)
    last = min(last_day or settled, settled)
    first = first_day or last.replace(day=1)
    if first > last:
        raise _violation(f"there is no day to reconcile from {first} to {last}: begin earlier")
    if (last - first).days >= MOST_DAYS:
        raise _violation(f"{first} to {last} is more than {MOST_DAYS} days: divide it")
    return first, last


def slices(first_day: date, last_day: date) -> tuple[Slice, ...]:
    """The slices of a period, each of as few days as the number of slices allows."""
    length = -(-((last_day - first_day).days + 1) // MOST_PARTS)
    starts = range(0, (last_day - first_day).days + 1, length)
    parts = len(starts) * len(FactKind)
    return tuple(
        Slice(
            kind=kind,
            first_day=first_day + timedelta(days=start),
            last_day=min(first_day + timedelta(days=start + length - 1), last_day),
            most_told=max(1, MOST_TOLD // parts),
        )
        for kind in FactKind
        for start in starts
    )


def read_on(
    progress: Progress, page: Callable[[str | None], FactsPage], has_time: Callable[[], bool]
) -> Progress:
    """Digest page after page as long as there is time; at least one.

    What was read before a page could not be had is kept. Raises the TransientError of a first page.
    """
    digest, after, pages = progress.digest, progress.next, 0
    while not pages or has_time():
        try:
            read = page(after)
        except TransientError:
            if not pages:
                raise
            break
        digest, after, pages = digest.with_facts(read.facts), read.next, pages + 1
        if after is None:
            break
    return progress.model_copy(update={"digest": digest, "next": after, "is_done": after is None})


def asked(found: Differences) -> tuple[str, ...]:
    """The ids of the documents that both systems are asked for."""
    return found.ids[:MOST_LOOKED_UP]


def reconcile(
    part: Slice,
    billing: Digest,
    books: Digest,
    *,
    in_billing: Iterable[Fact],
    in_books: Iterable[Fact],
) -> Reconciled:
    """What became of a slice. The last two are what both systems say of the documents `asked`."""
    found = billing.differences(books)
    looked_up = asked(found)
    said, booked = _by_id(in_billing), _by_id(in_books)
    judged = [_judge(part, said[id], booked[id]) for id in looked_up]
    told = [one for one in judged if one]
    breaks = [one for one in told if one.difference != Difference.PERIOD]
    elsewhere = [one for one in told if one.difference == Difference.PERIOD]
    return Reconciled(
        part=part,
        billing=billing.figures,
        books=books.figures,
        breaks=tuple(breaks[: part.most_told]),
        elsewhere=tuple(elsewhere[: part.most_told]),
        untold=len(breaks[part.most_told :])
        + len(found.ids[MOST_LOOKED_UP:])
        + (0 if found.is_complete else max(1, _more(billing, books) - len(judged))),
    )


def report(results: Iterable[Reconciled]) -> Report:
    """The results of all slices of a run together; at least one."""
    results = list(results)
    figures: dict[tuple[FactKind, str], list[Figure]] = {}
    for result in results:
        for side, of in enumerate((result.billing, result.books)):
            for currency, figure in of.items():
                none = Figure(count=0, total=Money.of(0, currency))
                row = figures.setdefault((result.part.kind, currency), [none, none])
                row[side] = row[side] + figure
    return Report(
        first_day=min(result.part.first_day for result in results),
        last_day=max(result.part.last_day for result in results),
        rows=tuple(
            Row(kind=kind, currency=currency, billing=billing, books=books)
            for (kind, currency), (billing, books) in figures.items()
        ),
        breaks=_once(one for result in results for one in result.breaks),
        elsewhere=_once(one for result in results for one in result.elsewhere),
        untold=sum(result.untold for result in results),
    )


def _judge(part: Slice, billing: list[Fact], books: list[Fact]) -> Break | None:
    """What is wrong about a document, by what both systems say of it; None when nothing is."""
    if not billing and not books:
        return None
    one = (billing or books)[0]
    told = Break(
        kind=part.kind,
        id=one.id,
        customer_id=one.customer_id,
        difference=Difference.PERIOD,
        billing=billing[0].amount if billing else None,
        books=books[0].amount if books else None,
        billing_day=billing[0].day if billing else None,
        books_day=books[0].day if books else None,
    )
    if difference := _difference(part, billing, books):
        return told.model_copy(update={"difference": difference})
    return None


def _difference(part: Slice, billing: list[Fact], books: list[Fact]) -> Difference | None:
    if not books:
        return Difference.NOT_IN_BOOKS
    if not billing:
        return Difference.NOT_IN_BILLING
    if len(books) > 1:
        return Difference.TWICE
    if billing[0].amount != books[0].amount:
        return Difference.AMOUNT
    if billing[0].customer_id != books[0].customer_id:
        return Difference.CUSTOMER
    if part.holds(billing[0].day) != part.holds(books[0].day):
        return Difference.PERIOD
    return None


def _by_id(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.id].append(fact)
    return found


def _more(billing: Digest, books: Digest) -> int:
    """How many documents the two have more than the other, by the numbers alone."""
    return sum(abs(figure.count) for figure in (billing - books).figures.values())


def _once(told: Iterable[Break]) -> tuple[Break, ...]:
    """One that two slices tell, since it was posted in another one, is told once."""
    return tuple({(one.kind, one.id): one for one in told}.values())


def _told(amount: Money | None) -> str:
    return "none" if amount is None else str(amount)


def _violation(problem: str) -> BusinessRuleViolation:
    return BusinessRuleViolation([problem], operation="reconcile")
