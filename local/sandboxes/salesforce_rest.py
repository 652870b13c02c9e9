"""The resources of the Salesforce sandbox's REST API, over the records of an organisation.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_list.htm
"""

from __future__ import annotations

import itertools
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from local.sandboxes import salesforce_composite as composite
from local.sandboxes import salesforce_soql as soql
from local.sandboxes.salesforce_composite import Answer, Call
from local.sandboxes.salesforce_schema import RECORD_ID, SObject
from local.sandboxes.salesforce_store import Fields, Organization, SalesforceError

BATCH_MINIMUM = 200
LIMIT_EXCEEDED = SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

_ROUTES = {
    ("GET", "/"): "resources",
    ("GET", "/limits"): "limits",
    ("GET", "/query"): "query",
    ("GET", "/query/<locator>"): "query_more",
    ("GET", "/sobjects"): "describe_global",
    ("GET", "/sobjects/<name>"): "basic_information",
    ("POST", "/sobjects/<name>"): "create",
    ("GET", "/sobjects/<name>/describe"): "describe",
    ("GET", "/sobjects/<name>/<record_id>"): "read",
    ("PATCH", "/sobjects/<name>/<record_id>"): "update",
    ("DELETE", "/sobjects/<name>/<record_id>"): "delete",
    ("GET", "/sobjects/<name>/<external_id>/<value>"): "read_by_external_id",
    ("PATCH", "/sobjects/<name>/<external_id>/<value>"): "upsert",
    ("POST", "/composite"): "composite",
    ("POST", "/composite/graph"): "composite_graph",
}


class RestApi:
    """The resources of the REST API over one organisation."""

    def __init__(self, organization: Organization, daily_limit: int, batch_size: int) -> None:
        self.organization = organization
        self.daily_limit = daily_limit
        self.used = 0
        self._batch_size = batch_size
        self._cursors: dict[str, list[Fields]] = {}
        self._cursor_numbers = itertools.count(1)
        self._map = Map(
            [
                Rule(path, endpoint=name, methods=[method])
                for (method, path), name in _ROUTES.items()
            ],
            strict_slashes=False,
        )

    def count(self) -> None:
        """Use up one request of the day. Raises SalesforceError REQUEST_LIMIT_EXCEEDED."""
        if self.used >= self.daily_limit:
            raise LIMIT_EXCEEDED
        self.used += 1

    def answer(self, call: Call) -> Answer:
        """Run the resource that the call names; an error is an answer too."""
        try:
            path = "/" + call.path.strip("/")
            name, arguments = self._map.bind("").match(path, method=call.method)
            if call.method == "PATCH" and not isinstance(call.body, dict):
                raise SalesforceError(400, "JSON_PARSER_ERROR", "The HTTP entity body is required")
            with self.organization.transaction():
                return getattr(self, f"_{name}")(call, **arguments)
        except SalesforceError as error:
            return Answer(error.status, error.body)
        except HTTPException as error:
            code = "METHOD_NOT_ALLOWED" if error.code == 405 else "NOT_FOUND"
            message = "The requested resource does not exist"
            return Answer(error.code or 404, SalesforceError(0, code, message).body)

    # Resources that describe

    def _resources(self, call: Call) -> Answer:
        names = ("limits", "query", "sobjects", "composite")
        return Answer(200, {name: f"{call.base}/{name}" for name in names})

    def _limits(self, call: Call) -> Answer:
        remaining = self.daily_limit - self.used
        return Answer(200, {"DailyApiRequests": {"Max": self.daily_limit, "Remaining": remaining}})

    def _describe_global(self, call: Call) -> Answer:
        kinds = [self._summary(call, kind) for kind in self.organization.schema]
        return Answer(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": kinds})

    def _basic_information(self, call: Call, name: str) -> Answer:
        kind = self._kind(name)
        return Answer(200, {"objectDescribe": self._summary(call, kind), "recentItems": []})

    def _describe(self, call: Call, name: str) -> Answer:
        kind = self._kind(name)
        fields = [
            {
                "name": f.name,
                "type": f.type,
                "nillable": not f.required,
                "createable": f.writable,
                "updateable": f.writable,
                "custom": f.name.endswith("__c"),
                "externalId": f.external_id,
                "unique": f.unique,
                "referenceTo": [f.refers_to] if f.refers_to else [],
                "relationshipName": f.relationship or None,
            }
            for f in kind.fields
        ]
        children = [
            {"relationshipName": relationship, "childSObject": child, "field": pointer}
            for relationship, child, pointer in kind.children
        ]
        body = {"fields": fields, "childRelationships": children}
        return Answer(200, self._summary(call, kind) | body)

    def _summary(self, call: Call, kind: SObject) -> Fields:
        urls = {"sobject": f"{call.base}/sobjects/{kind.name}"}
        return {"name": kind.name, "keyPrefix": kind.prefix, "queryable": True, "urls": urls}

    # Resources that read

    def _read(self, call: Call, name: str, record_id: str) -> Answer:
        kind = self._kind(name)
        row = self.organization.get(kind.name, self._record_id(record_id))
        return Answer(200, self._fields_of(call, kind, row))

    def _read_by_external_id(self, call: Call, name: str, external_id: str, value: str) -> Answer:
        kind = self._kind(name)
        rows = self._by_external_id(kind, external_id, value)
        if not rows:
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        if len(rows) > 1:
            return self._choices(call, kind, rows)
        return Answer(200, self._fields_of(call, kind, rows[0]))

    def _query(self, call: Call) -> Answer:
        query = soql.parse(call.parameters.get("q", ""))
        found = soql.run(self.organization, query)
        if query.counts:
            return Answer(200, {"totalSize": len(found), "done": True, "records": []})
        records = [self._rendered(call, record) for record, _ in found]
        return Answer(200, self._page(call, records))

    def _query_more(self, call: Call, locator: str) -> Answer:
        cursor, _, start = locator.partition("-")
        if cursor not in self._cursors or not start.isdigit():
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return Answer(200, self._page(call, self._cursors[cursor], cursor, int(start)))

    # Resources that write

    def _create(self, call: Call, name: str) -> Answer:
        kind = self._kind(name)
        if not isinstance(call.body, dict):
            raise SalesforceError(400, "JSON_PARSER_ERROR", "The HTTP entity body is required")
        record_id = self.organization.insert(kind.name, call.body, call.actor)
        return self._created(call, kind, record_id, {})

    def _update(self, call: Call, name: str, record_id: str) -> Answer:
        kind = self._kind(name)
        self.organization.update(kind.name, self._record_id(record_id), call.body, call.actor)
        return Answer(204)

    def _delete(self, call: Call, name: str, record_id: str) -> Answer:
        kind = self._kind(name)
        self.organization.delete(kind.name, self._record_id(record_id), call.actor)
        return Answer(204)

    def _upsert(self, call: Call, name: str, external_id: str, value: str) -> Answer:
        kind = self._kind(name)
        rows = self._by_external_id(kind, external_id, value)
        if external_id in call.body:
            message = f"The {external_id} field should not be specified in the sobject data."
            raise SalesforceError(400, "INVALID_FIELD", message, [external_id])
        if len(rows) > 1:
            return self._choices(call, kind, rows)
        if not rows:
            fields = call.body | {external_id: value}
            record_id = self.organization.insert(kind.name, fields, call.actor)
            return self._created(call, kind, record_id, {"created": True})
        self.organization.update(kind.name, rows[0]["Id"], call.body, call.actor)
        if float(call.version) < 46:
            return Answer(204)
        body = {"id": rows[0]["Id"], "success": True, "errors": [], "created": False}
        return Answer(200, body)

    def _composite(self, call: Call) -> Answer:
        return composite.run(self.organization, self.answer, call)

    def _composite_graph(self, call: Call) -> Answer:
        return composite.run_graphs(self.organization, self.answer, call)

    # What they share

    def _kind(self, name: str) -> SObject:
        kind = self.organization.schema.find(name)
        if kind is None:
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        return kind

    def _record_id(self, text: str) -> str:
        if not RECORD_ID.fullmatch(text):
            message = "Provided external ID field does not exist or is not accessible: " + text
            raise SalesforceError(404, "NOT_FOUND", message)
        return text

    def _by_external_id(self, kind: SObject, name: str, value: str) -> list[Fields]:
        known = kind.field(name)
        if known is None or not (known.external_id or known.name == "Id"):
            message = f"Provided external ID field does not exist or is not accessible: {name}"
            raise SalesforceError(404, "NOT_FOUND", message)
        return self.organization.matching(kind.name, known.name, value)

    def _choices(self, call: Call, kind: SObject, rows: list[Fields]) -> Answer:
        return Answer(300, [f"{call.base}/sobjects/{kind.name}/{row['Id']}" for row in rows])

    def _created(self, call: Call, kind: SObject, record_id: str, more: Fields) -> Answer:
        location = f"{call.base}/sobjects/{kind.name}/{record_id}"
        body = {"id": record_id, "success": True, "errors": [], **more}
        return Answer(201, body, {"Location": location})

    def _fields_of(self, call: Call, kind: SObject, row: Fields) -> Fields:
        names = call.parameters.get("fields")
        query = soql.Query(kind.name, names.split(",") if names else [f.name for f in kind.fields])
        record = soql.select(self.organization, query, kind, [row])[0][0]
        return self._rendered(call, record)

    def _page(self, call: Call, records: list[Fields], cursor: str = "", start: int = 0) -> Fields:
        wanted = re.search(r"batchSize=(\d+)", call.headers.get("Sforce-Query-Options", ""))
        size = max(BATCH_MINIMUM, int(wanted[1])) if wanted else self._batch_size
        end = start + min(size, self._batch_size)
        page = {"totalSize": len(records), "done": end >= len(records)}
        if end < len(records):
            if not cursor:
                cursor = f"01gHs{next(self._cursor_numbers):013d}"
                self._cursors[cursor] = records
            page["nextRecordsUrl"] = f"{call.base}/query/{cursor}-{end}"
        return page | {"records": records[start:end]}

    def _rendered(self, call: Call, record: Fields) -> Fields:
        """A record as JSON shows it: numbers as doubles, times with Salesforce's offset."""
        rendered: Fields = {}
        for name, value in record.items():
            if name == "attributes":
                kind, record_id = value
                url = f"{call.base}/sobjects/{kind}/{record_id}"
                rendered[name] = {"type": kind, "url": url}
            elif isinstance(value, dict) and "attributes" in value:
                rendered[name] = self._rendered(call, value)
            elif isinstance(value, list):
                children = [self._rendered(call, child) for child, _ in value]
                rendered[name] = self._page(call, children) if children else None
            else:
                rendered[name] = _json_value(value)
        return rendered


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        milliseconds = f"{value.microsecond // 1000:03d}"
        return f"{value:%Y-%m-%dT%H:%M:%S}.{milliseconds}+0000"
    if isinstance(value, date):
        return value.isoformat()
    return value
