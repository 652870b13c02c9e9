"""How much memory the reconciliation of a thousand, and of a million invoices needs: as much.

    make reconcile-memory

Generated invoices of one day stream through the real rule, page by page on both sides, with the
same handful of mistakes planted among them. Each number of invoices runs in a process of its own,
whose peak memory the operating system tells. The exit code says whether the mistakes, and nothing
else, were found each time, and whether the last peak is within a tenth of the first.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from itertools import islice

from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind, FactsPage
from interlock.rules.digest import Digest
from interlock.rules.reconciliation import (
    Difference,
    Progress,
    Reconciled,
    Slice,
    asked,
    read_on,
    reconcile,
)

INVOICES = (1_000, 10_000, 100_000, 1_000_000)
PAGE = 100
CURRENCIES = ("USD", "EUR", "JPY")
DAY = date(2026, 11, 3)
PART = Slice(kind=FactKind.INVOICE, first_day=DAY, last_day=DAY, most_told=20)
# What was done wrong to which invoice; the numbers are within the smallest run.
MISTAKES = {
    7: Difference.NOT_IN_BOOKS,
    77: Difference.NOT_IN_BILLING,
    444: Difference.TWICE,
    555: Difference.AMOUNT,
    777: Difference.CUSTOMER,
}
CLOSE = 1.1
# https://docs.python.org/3/library/resource.html: kilobytes, but bytes on macOS.
UNIT = 1 if sys.platform == "darwin" else 1024


def invoice(number: int) -> Fact:
    """An invoice as it was issued; what it says follows from its number."""
    return Fact(
        kind=FactKind.INVOICE,
        id=f"stripe:in_{number:024}",
        customer_id=f"salesforce:{number % 50_021:018}",
        amount=Money.of(number % 9_973 + 1, CURRENCIES[number % len(CURRENCIES)]),
        day=DAY,
    )


def in_billing(number: int) -> Iterator[Fact]:
    """What billing has of an invoice."""
    if MISTAKES.get(number) != Difference.NOT_IN_BILLING:
        yield invoice(number)


def in_books(number: int) -> Iterator[Fact]:
    """What the books have of an invoice."""
    fact, mistake = invoice(number), MISTAKES.get(number)
    if mistake == Difference.NOT_IN_BOOKS:
        return
    if mistake == Difference.AMOUNT:
        fact = fact.model_copy(update={"amount": fact.amount.times(2)})
    if mistake == Difference.CUSTOMER:
        fact = fact.model_copy(update={"customer_id": "salesforce:another"})
    yield fact
    if mistake == Difference.TWICE:
        yield fact


def run(invoices: int) -> Reconciled:
    """Reconcile so many invoices, which the books list in another order than billing."""
    billing = digested(fact for number in range(invoices) for fact in in_billing(number))
    books = digested(fact for number in reversed(range(invoices)) for fact in in_books(number))
    numbers = [int(id.removeprefix("stripe:in_")) for id in asked(billing.differences(books))]
    return reconcile(
        PART,
        billing,
        books,
        in_billing=[fact for number in numbers for fact in in_billing(number)],
        in_books=[fact for number in numbers for fact in in_books(number)],
    )


def digested(facts: Iterator[Fact]) -> Digest:
    """The digest of all facts, read as a function reads them."""

    def page(after: str | None) -> FactsPage:
        found = tuple(islice(facts, PAGE))
        return FactsPage(facts=found, next="more" if len(found) == PAGE else None)

    return read_on(Progress(system="generated"), page, lambda: True).digest


def measure(invoices: int) -> dict[str, object]:
    """What a process of its own needs for so many invoices."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, str(invoices)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout) | {"seconds": time.monotonic() - began}


def main() -> int:
    """Print the table; 0 when the goal was met."""
    if len(sys.argv) > 1:
        result = run(int(sys.argv[1]))
        found = {int(one.id.removeprefix("stripe:in_")): one.difference for one in result.breaks}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
        print(json.dumps({"as_planted": found == MISTAKES and not result.untold, "peak": peak}))
        return 0
    print(f"{'invoices':>10}{'seconds':>10}{'peak memory':>14}  breaks")
    peaks, all_found = [], True
    for invoices in INVOICES:
        measured = measure(invoices)
        peaks.append(measured["peak"])
        all_found &= measured["as_planted"]
        breaks = f"the {len(MISTAKES)} planted ones" if measured["as_planted"] else "OTHERS"
        peak = f"{measured['peak'] / 2**20:.1f} MB"
        print(f"{invoices:>10,}{measured['seconds']:>10.1f}{peak:>14}  {breaks}", flush=True)
    return 0 if all_found and max(peaks) <= CLOSE * peaks[0] else 1


if __name__ == "__main__":
    sys.exit(main())
