"""Lists of Zendesk, page by page.

- By cursor, for a list that may change meanwhile, and by number:
  https://developer.zendesk.com/api-reference/introduction/pagination/
- Tickets by external id, which need not be unique:
  https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#list-tickets

`call` sends a request and returns the JSON of its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from interlock.connectors.support.zendesk_records import Json

Call = Callable[..., Json]

# The most that a page has.
PAGE = 100


def listed(call: Call, path: str, key: str, **params: str) -> Iterator[Json]:
    """Every record of a list, which has them under `key`."""
    cursor: dict[str, str] = {}
    while True:
        page = call("GET", path, params={**params, "page[size]": PAGE, **cursor})
        yield from page[key]
        # The audits of an archived ticket come without pages.
        if not page.get("meta", {}).get("has_more"):
            return
        cursor = {"page[after]": page["meta"]["after_cursor"]}


def carrying(call: Call, external_id: str, *, include: str) -> Iterator[tuple[Json, Json]]:
    """The tickets with exactly this external id, each with the answer that has what belongs to it.

    Sees a ticket at once, which Zendesk's search does not. Whether the case of letters counts there
    is not documented: ids are compared here.
    """
    for number in count(1):
        params = {"external_id": external_id, "include": include, "page": number}
        page = call("GET", "tickets", params=params)
        for ticket in page["tickets"]:
            if ticket["external_id"] == external_id:
                yield ticket, page
        if not page["next_page"]:
            return
