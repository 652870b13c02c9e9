"""The part of SOQL that the Salesforce sandbox understands: a parser and an evaluator.

`SELECT` fields, fields of parents (`Account.Owner.Email`), one level of child subqueries and
`COUNT()`; `WHERE` with comparisons, `[NOT] IN`, `AND`, `OR`, parentheses; `ORDER BY`, `LIMIT`.
Everything else is refused as MALFORMED_QUERY, never ignored.
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn

from local.sandboxes.salesforce_schema import RECORD_ID, Field, SObject, full_id
from local.sandboxes.salesforce_store import Fields, Organization, SalesforceError

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z_][\w.]*)
    | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass
class Query:
    """A parsed query; a subquery of the select list is a Query of its own."""

    source: str = ""
    fields: list[str] = field(default_factory=list)
    children: list[Query] = field(default_factory=list)
    counts: bool = False
    where: Any = None
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    """Field, descending, nulls last."""
    limit: int | None = None


def parse(text: str) -> Query:
    """Parse one query. Raises SalesforceError MALFORMED_QUERY."""
    parser = _Parser(text)
    query = parser.query()
    if parser.peek() is not None:
        parser.refuse()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._position = 0
        end = len(text.rstrip())
        start = 0
        while start < end:
            match = _TOKEN.match(text, start)
            if match is None:
                raise _malformed(text[start : start + 10].strip())
            kind = str(match.lastgroup)
            self._tokens.append((kind, match.group(kind)))
            start = match.end()

    def peek(self) -> str | None:
        """The next token in upper case, None at the end."""
        if self._position >= len(self._tokens):
            return None
        return self._tokens[self._position][1].upper()

    def refuse(self) -> NoReturn:
        """Say that the next token does not belong there."""
        token = self._tokens[self._position][1] if self.peek() else "<EOF>"
        raise _malformed(token)

    def _next(self, *kinds: str) -> tuple[str, str]:
        if self.peek() is None or self._tokens[self._position][0] not in kinds:
            self.refuse()
        self._position += 1
        return self._tokens[self._position - 1]

    def _accept(self, *words: str) -> bool:
        end = self._position + len(words)
        if tuple(token.upper() for _, token in self._tokens[self._position : end]) != words:
            return False
        self._position = end
        return True

    def _expect(self, *words: str) -> None:
        if not self._accept(*words):
            self.refuse()

    def query(self) -> Query:
        """SELECT … FROM … and its clauses, in SOQL's order."""
        query = Query()
        self._expect("SELECT")
        if self._accept("COUNT", "(", ")"):
            query.counts = True
        else:
            self._selected(query)
            while self._accept(","):
                self._selected(query)
        self._expect("FROM")
        query.source = self._next("name")[1]
        if self._accept("WHERE"):
            query.where = self._conditions()
        if self._accept("ORDER", "BY"):
            query.order.append(self._ordering())
            while self._accept(","):
                query.order.append(self._ordering())
        if self._accept("LIMIT"):
            query.limit = int(self._next("number")[1])
        return query

    def _selected(self, query: Query) -> None:
        if self._accept("("):
            query.children.append(self.query())
            self._expect(")")
        else:
            query.fields.append(self._next("name")[1])

    def _ordering(self) -> tuple[str, bool, bool]:
        name = self._next("name")[1]
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = descending
        if self._accept("NULLS", "LAST"):
            nulls_last = True
        elif self._accept("NULLS", "FIRST"):
            nulls_last = False
        return name, descending, nulls_last

    def _conditions(self) -> Any:
        """Conditions joined by one operator: SOQL wants parentheses where they are mixed."""
        conditions = [self._condition()]
        joint = self.peek()
        if joint not in ("AND", "OR"):
            return conditions[0]
        while self._accept(joint):
            conditions.append(self._condition())
        if self.peek() in ("AND", "OR"):
            self.refuse()
        return joint, conditions

    def _condition(self) -> Any:
        if self._accept("("):
            inner = self._conditions()
            self._expect(")")
            return inner
        name = self._next("name")[1]
        if self._accept("IN"):
            return "IN", name, self._values()
        if self._accept("NOT", "IN"):
            return "NOT IN", name, self._values()
        sign = self._next("sign")[1]
        if sign not in _COMPARISONS:
            raise _malformed(sign)
        return sign, name, self._value()

    def _values(self) -> list[Any]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> Any:
        kind, text = self._next("string", "number", "date", "datetime", "name")
        if kind == "string":
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1])
        if kind == "number":
            return Decimal(text)
        if kind == "date":
            return date.fromisoformat(text)
        if kind == "datetime":
            return datetime.fromisoformat(text)
        literals = {"TRUE": True, "FALSE": False, "NULL": None}
        if text.upper() not in literals:
            raise _malformed(text)
        return literals[text.upper()]


def run(organization: Organization, query: Query) -> list[tuple[Fields, Fields]]:
    """The records found: each with its selected values, nested as in the answer.

    The second of the pair is the whole record. Raises SalesforceError INVALID_TYPE, INVALID_FIELD.
    """
    kind = organization.schema.find(query.source)
    if kind is None:
        message = f"sObject type '{query.source}' is not supported."
        raise SalesforceError(400, "INVALID_TYPE", message)
    rows = organization.rows(kind.name)
    return select(organization, query, kind, rows)


def select(
    organization: Organization, query: Query, kind: SObject, rows: list[Fields]
) -> list[tuple[Fields, Fields]]:
    for name in query.fields + [name for name, _, _ in query.order]:
        _path(organization, kind, name)  # a wrong name is refused although no record is found
    found = [r for r in rows if query.where is None or _holds(organization, kind, query.where, r)]
    for name, descending, nulls_last in reversed(query.order):
        keyed = [(_value_of(organization, kind, name, row), row) for row in found]
        valued = [pair for pair in keyed if pair[0] is not None]
        valued.sort(key=lambda pair: pair[0], reverse=descending)
        empty = [row for value, row in keyed if value is None]
        ordered = [row for _, row in valued]
        found = ordered + empty if nulls_last else empty + ordered
    if query.limit is not None:
        found = found[: query.limit]
    return [(_answer(organization, query, kind, row), row) for row in found]


def _answer(organization: Organization, query: Query, kind: SObject, row: Fields) -> Fields:
    answer: Fields = {"attributes": (kind.name, row["Id"])}
    for name in query.fields:
        *references, selected = _path(organization, kind, name)
        place, source = answer, row
        for reference in references:
            parent = organization.find(reference.refers_to, source[reference.name])
            if parent is None:
                place.setdefault(reference.relationship, None)
                break
            source = parent
            known = {"attributes": (reference.refers_to, source["Id"])}
            place = place.setdefault(reference.relationship, known)
        else:
            place[selected.name] = source[selected.name]
    for child in query.children:
        relation = next((c for c in kind.children if c[0].lower() == child.source.lower()), None)
        if relation is None:
            message = f"Didn't understand relationship '{child.source}' in FROM part of query call."
            raise SalesforceError(400, "INVALID_TYPE", message)
        name, child_name, pointer = relation
        rows = organization.matching(child_name, pointer, row["Id"])
        child_kind = organization.schema[child_name]
        answer[name] = select(organization, child, child_kind, rows)
    return answer


def _path(organization: Organization, kind: SObject, name: str) -> list[Field]:
    """The fields along a path such as `account.owner.name`: references, then the last field."""
    *relationships, field_name = name.split(".")
    fields = []
    for relationship in relationships:
        reference = kind.related(relationship)
        if reference is None:
            message = f"Didn't understand relationship '{relationship}' in field path."
            raise SalesforceError(400, "INVALID_FIELD", message)
        fields.append(reference)
        kind = organization.schema[reference.refers_to]
    last = kind.field(field_name)
    if last is None:
        message = f"No such column '{field_name}' on entity '{kind.name}'."
        raise SalesforceError(400, "INVALID_FIELD", message)
    return [*fields, last]


def _value_of(organization: Organization, kind: SObject, name: str, row: Fields) -> Any:
    *references, last = _path(organization, kind, name)
    source: Fields | None = row
    for reference in references:
        source = organization.find(reference.refers_to, source[reference.name])
        if source is None:
            return None
    return _comparable(last, source[last.name])


def _holds(organization: Organization, kind: SObject, condition: Any, row: Fields) -> bool:
    if condition[0] in ("AND", "OR"):
        holds = (_holds(organization, kind, part, row) for part in condition[1])
        return all(holds) if condition[0] == "AND" else any(holds)
    sign, name, wanted = condition
    last = _path(organization, kind, name)[-1]
    value = _value_of(organization, kind, name, row)
    if sign == "IN":
        return value in [_comparable(last, item) for item in wanted]
    if sign == "NOT IN":
        return value not in [_comparable(last, item) for item in wanted]
    if sign not in ("=", "!=", "<>") and (value is None or wanted is None):
        return False
    try:
        return _COMPARISONS[sign](value, _comparable(last, wanted))
    except TypeError as error:
        message = f"value of filter criterion for field '{name}' must be of another type"
        raise SalesforceError(400, "INVALID_FIELD", message) from error


def _comparable(field: Field, value: Any) -> Any:
    """Text without case, record ids in their long form."""
    if not isinstance(value, str):
        return value
    if field.type in ("id", "reference"):
        return full_id(value) if RECORD_ID.fullmatch(value) else value
    return value.casefold()


def _malformed(token: str) -> SalesforceError:
    return SalesforceError(400, "MALFORMED_QUERY", f"unexpected token: '{token}'")
