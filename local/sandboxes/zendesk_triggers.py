"""What the standard triggers of a Zendesk account e-mail to requesters, as far as agents say it.

- "Notify requester of new proactive ticket", "Notify requester and CCs of comment update":
  https://support.zendesk.com/hc/en-us/articles/4408828984346
- None goes to a requester without an address:
  https://support.zendesk.com/hc/en-us/articles/4408843347866

What else the standard triggers send is left out, to agents and to customers about what these wrote
themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]


def notify_requester(
    ticket: Record, comment: Record, author: Record, requester: Record
) -> Iterator[Record]:
    """The e-mail about a public comment, if there is one."""
    if author["role"] != "end-user" and requester is not author and requester["email"]:
        yield {
            "ticket_id": ticket["id"],
            "to": requester["email"],
            "subject": ticket["subject"],
            "body": comment["plain_body"],
        }
