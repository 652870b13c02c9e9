"""GET /approvals and GET /approvals/{id}: what waits for a person, or one of them."""

from typing import Annotated

from interlock.api import ApiRequest, api_operation
from interlock.approvals import Approval, Approvals, Status
from interlock.canonical.base import Canonical
from pydantic import Field


class ListApprovals(Canonical):
    """By status."""

    status: Status = "pending"
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class ListedApprovals(Canonical):
    """The first due first."""

    approvals: tuple[Approval, ...]


@api_operation
def handler(request: ApiRequest) -> Approval | ListedApprovals:
    """One by its id, or those with a status."""
    store = Approvals.load()
    if id := request.parameters.get("id"):
        return store.get(id)
    query = request.options(ListApprovals)
    return ListedApprovals(approvals=store.by_status(query.status, query.limit))
