"""One call of the Salesforce sandbox's REST API, and the composite requests made of several.

A composite request has few subrequests, of many kinds; a composite graph has many that each write
or read one record, and all of them take effect, or none. A subrequest has no header of the request
that it is a part of, but for those that say who asks, and in which format.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_graph.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/requests_composite.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.sandboxes.salesforce_store import Actor, Fields, Organization, SalesforceError

MAXIMUM = 25
MAXIMUM_OF_GRAPHS = 75
MAXIMUM_OF_NODES = 500
# The resources that a node of a graph may ask for, and how.
_NODE = re.compile(
    r"POST /services/data/v\d+\.\d/sobjects/\w+/?"
    r"|(GET|PATCH|DELETE) /services/data/v\d+\.\d/sobjects/\w+(/[^/]+){1,2}"
)


@dataclass
class Call:
    """One request to a resource of the REST API, alone or within a composite request."""

    method: str
    path: str
    version: str
    parameters: dict[str, str]
    body: Any
    headers: dict[str, str]
    user_id: str

    @property
    def base(self) -> str:
        """The path that all resources of this version have in common."""
        return f"/services/data/v{self.version}"

    @property
    def actor(self) -> Actor:
        """Who writes; the client's name comes from the header of call options.

        https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_calloptions.htm
        """
        options = re.split(r"[,;]\s*", self.headers.get("Sforce-Call-Options", ""))
        client = next((o for o in options if o.startswith("client=")), "")
        origin = f"com/salesforce/api/rest/{self.version}"
        return Actor(self.user_id, f"{origin};{client}" if client else origin)


@dataclass
class Answer:
    """What a resource answers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Resource = Callable[[Call], Answer]


def run(organization: Organization, answer: Resource, call: Call) -> Answer:
    """Answer each part in order; with allOrNone, one that fails undoes them all."""
    body = call.body if isinstance(call.body, dict) else {}
    parts = body.get("compositeRequest") or []
    if not 1 <= len(parts) <= MAXIMUM:
        raise _too_many(MAXIMUM, "operations in a composite request")
    all_or_none = bool(body.get("allOrNone"))
    response, _ = _answered(organization, answer, call, parts, all_or_none=all_or_none)
    return Answer(200, response)


def run_graphs(organization: Organization, answer: Resource, call: Call) -> Answer:
    """Answer each graph: all of its nodes, or none of them."""
    body = call.body if isinstance(call.body, dict) else {}
    graphs = body.get("graphs") or []
    nodes = sum(len(graph["compositeRequest"]) for graph in graphs)
    if not 1 <= len(graphs) <= MAXIMUM_OF_GRAPHS:
        raise _too_many(MAXIMUM_OF_GRAPHS, "graphs in a composite graph request")
    if not 1 <= nodes <= MAXIMUM_OF_NODES:
        raise _too_many(MAXIMUM_OF_NODES, "nodes in a composite graph request")
    answers = []
    for graph in graphs:
        for node in graph["compositeRequest"]:
            if not _NODE.fullmatch(f"{node['method']} {node['url']}"):
                message = f"Unsupported node: {node['method']} {node['url']}"
                raise SalesforceError(400, "INVALID_INPUT", message)
        response, successful = _answered(
            organization, answer, call, graph["compositeRequest"], all_or_none=True
        )
        told = {"graphResponse": response, "isSuccessful": successful}
        answers.append({"graphId": graph["graphId"], **told})
    return Answer(200, {"graphs": answers})


def _answered(
    organization: Organization,
    answer: Resource,
    call: Call,
    parts: list[Fields],
    *,
    all_or_none: bool,
) -> tuple[Fields, bool]:
    """What the parts answer, in their order, and whether each of them was successful."""
    results: dict[str, Answer] = {}
    try:
        with organization.transaction():
            for part in parts:
                results[part["referenceId"]] = _part(answer, call, part, results)
                if all_or_none and results[part["referenceId"]].status >= 300:
                    raise _RolledBack
    except _RolledBack:
        results = _rolled_back(parts, results)
    response = [
        {
            "body": result.body,
            "httpHeaders": result.headers,
            "httpStatusCode": result.status,
            "referenceId": reference,
        }
        for reference, result in results.items()
    ]
    successful = all(result.status < 300 for result in results.values())
    return {"compositeResponse": response}, successful


def _too_many(maximum: int, what: str) -> SalesforceError:
    return SalesforceError(400, "LIMIT_EXCEEDED", f"Limit of {maximum} reached for {what}")


class _RolledBack(Exception):
    """Undoes the writes of a composite request that is all or none."""


def _rolled_back(parts: list[Fields], results: dict[str, Answer]) -> dict[str, Answer]:
    """The part that failed keeps its answer; the others are told of the rollback."""
    halted = _halted(
        "The transaction was rolled back since another operation in the same transaction failed."
    )
    failed = list(results)[-1]
    references = [part["referenceId"] for part in parts]
    return {r: results[r] if r == failed else halted for r in references}


def _part(answer: Resource, call: Call, part: Fields, results: dict[str, Answer]) -> Answer:
    try:
        url = urlsplit(_substituted(part["url"], results))
        body = _substituted(part.get("body"), results)
    except LookupError as error:
        return _halted(f"Invalid reference specified. No value for {error.args[0]} found")
    match = re.fullmatch(r"/services/data/v(\d+\.\d)(/.*)", url.path)
    if match is None:
        return Answer(400, SalesforceError(400, "INVALID_INPUT", "Invalid subrequest url").body)
    return answer(
        Call(
            method=part["method"].upper(),
            path=match[2],
            version=match[1],
            parameters=dict(parse_qsl(url.query)),
            body=body,
            headers=part.get("httpHeaders", {}),
            user_id=call.user_id,
        )
    )


def _halted(message: str) -> Answer:
    return Answer(400, SalesforceError(400, "PROCESSING_HALTED", message).body)


def _substituted(value: Any, results: dict[str, Answer]) -> Any:
    """The value with each `@{reference.path}` replaced; raises LookupError without a value."""
    if isinstance(value, dict):
        return {key: _substituted(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [_substituted(item, results) for item in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"@\{([^}]+)\}", lambda match: str(_referenced(match[1], results)), value)


def _referenced(path: str, results: dict[str, Answer]) -> Any:
    reference, *steps = re.findall(r"\w+", path)
    answer = results.get(reference)
    if answer is None or answer.status >= 300:
        raise LookupError(path)
    value = answer.body
    try:
        for step in steps:
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (KeyError, IndexError, TypeError, ValueError):
        raise LookupError(path) from None
    return value
