"""What any number of facts come to, in a fixed size: how two systems are held against each other.

A digest counts and adds up facts by currency, and keeps them in an *invertible Bloom lookup table*:
of two digests the difference can be taken, and as long as no more than about a hundred facts
differ, the difference tells which. So a million documents are compared in one pass over each
system, page by page, in any order, without keeping one of them.

Each fact goes into three of the cells, chosen by its hash. A cell holds how many facts it has, the
sum of their keys and the sum of their checks. What both systems have cancels out when one digest is
taken from the other. A cell that is left with a single key tells it: the sum divided by the count,
if the check agrees. That key is taken out of its two other cells, which may then tell theirs.
D. Eppstein and others, "What's the Difference? Efficient Set Reconciliation without Prior Context",
SIGCOMM 2011, https://doi.org/10.1145/2018436.2018462. Sums modulo a prime in place of exclusive or
let a fact be there several times, as a document that was posted twice is.

Digests are a commutative group: they may be made of parts and put together in any order. Unequal
facts in equal cells would need a collision of SHA-256.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

from interlock.canonical import Currency, Money
from interlock.canonical.base import Canonical
from interlock.canonical.books import Fact

TABLES = 3
CELLS_PER_TABLE = 64
# A Mersenne prime above every key: of 8 bytes of a hash and an id of 140 at most.
PRIME = 2**1279 - 1
CHECKS = 2**64
_MARK = b"\x01"  # keeps the zeros that a key may begin with
_HASHED = 8

Cell = tuple[int, int, int]
_EMPTY: Cell = (0, 0, 0)


class Figure(Canonical):
    """How many facts of a currency, and what they come to."""

    count: int
    total: Money

    def __add__(self, other: Figure) -> Figure:
        return Figure(count=self.count + other.count, total=self.total + other.total)

    def __neg__(self) -> Figure:
        return Figure(count=-self.count, total=-self.total)


class Differences(Canonical):
    """The ids of facts that not both systems have alike; not of all, unless `is_complete`."""

    ids: tuple[str, ...]
    is_complete: bool


class Digest(Canonical):
    """Of facts of one kind. A cell is text, since a number that long survives no JSON: its count,
    and the sums of its keys and checks in hexadecimal digits. Empty ones are left out."""

    figures: dict[Currency, Figure] = {}
    cells: dict[int, str] = {}

    def with_facts(self, facts: Iterable[Fact]) -> Digest:
        """The digest of these facts too. The day is no part of it: see `rules.reconciliation`."""
        counts: Counter[str] = Counter()
        units: Counter[str] = Counter()
        cells = _read(self.cells)
        for fact in facts:
            currency = fact.amount.currency
            counts[currency] += 1
            units[currency] += fact.amount.minor_units
            _add(cells, _key(fact), 1)
        figures = dict(self.figures)
        for currency, count in counts.items():
            total = Money.from_minor_units(units[currency], currency)
            _put(figures, currency, Figure(count=count, total=total))
        return _digest(figures, cells)

    def __neg__(self) -> Digest:
        return _digest(
            {currency: -figure for currency, figure in self.figures.items()},
            {index: _sum(_EMPTY, cell, -1) for index, cell in _read(self.cells).items()},
        )

    def __add__(self, other: Digest) -> Digest:
        figures, cells = dict(self.figures), _read(self.cells)
        for currency, figure in other.figures.items():
            _put(figures, currency, figure)
        for index, cell in _read(other.cells).items():
            cells[index] = _sum(cells.get(index, _EMPTY), cell, 1)
        return _digest(figures, cells)

    def __sub__(self, other: Digest) -> Digest:
        return self + -other

    def differences(self, other: Digest) -> Differences:
        """Which facts only one of the two has, or more often than the other; ids in order.

        None, and complete, means that both are of the same facts.
        """
        cells = _read((self - other).cells)
        ids: set[str] = set()
        while found := next(_told(cells), None):
            key, count = found
            ids.add(key[len(_MARK) + _HASHED :].decode())
            _add(cells, key, -count)
        return Differences(ids=tuple(sorted(ids)), is_complete=not any(map(any, cells.values())))


def _key(fact: Fact) -> bytes:
    """A fact's content in short, and its id in full."""
    content = f"{fact.kind} {fact.id} {fact.customer_id} {fact.amount}"
    return _MARK + hashlib.sha256(content.encode()).digest()[:_HASHED] + fact.id.encode()


def _places(key: bytes) -> tuple[list[int], int]:
    """The cells of a key, and its check."""
    hashed = hashlib.sha256(key).digest()
    places = [table * CELLS_PER_TABLE + hashed[table] % CELLS_PER_TABLE for table in range(TABLES)]
    return places, int.from_bytes(hashed[8:16])


def _add(cells: dict[int, Cell], key: bytes, times: int) -> None:
    places, check = _places(key)
    for index in places:
        cells[index] = _sum(cells.get(index, _EMPTY), (1, int.from_bytes(key), check), times)


def _sum(cell: Cell, other: Cell, times: int) -> Cell:
    return (
        cell[0] + times * other[0],
        (cell[1] + times * other[1]) % PRIME,
        (cell[2] + times * other[2]) % CHECKS,
    )


def _told(cells: dict[int, Cell]) -> Iterator[tuple[bytes, int]]:
    """The keys of cells that hold a single one, each with how often."""
    for index, (count, keys, checks) in cells.items():
        if not count:
            continue
        number = keys * pow(count, -1, PRIME) % PRIME
        key = number.to_bytes((number.bit_length() + 7) // 8)
        places, check = _places(key)
        if index in places and key[:1] == _MARK and check * count % CHECKS == checks:
            yield key, count


def _put(figures: dict[str, Figure], currency: str, figure: Figure) -> None:
    before = figures.get(currency)
    figures[currency] = before + figure if before else figure


def _digest(figures: dict[str, Figure], cells: dict[int, Cell]) -> Digest:
    return Digest(
        figures={name: one for name, one in figures.items() if one.count or one.total.amount},
        cells={
            index: f"{count}:{keys:x}:{checks:x}"
            for index, (count, keys, checks) in sorted(cells.items())
            if count or keys or checks
        },
    )


def _read(cells: dict[int, str]) -> dict[int, Cell]:
    """Raises ValueError for text that is no cell."""
    found = {}
    for index, text in cells.items():
        count, keys, checks = text.split(":")
        found[index] = (int(count), int(keys, 16), int(checks, 16))
    return found
