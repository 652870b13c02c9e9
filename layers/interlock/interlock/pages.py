"""The few HTML pages that a person sees: plain, without scripts, everything in them escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interlock.approvals import Approval

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}"
    "dt{color:#555}dd{margin:0 0 .5rem}button{font:inherit;padding:.4rem 1rem;margin-right:.5rem}"
    "input{font:inherit;width:100%;margin:.3rem 0 1rem}"
)


def notice(title: str, text: str) -> str:
    """A page that says something."""
    return _page(title, f"<p>{escape(text)}</p>")


def question(approval: Approval, person: str) -> str:
    """What a person is asked, with a button for each answer; showing it decides nothing.

    The form goes back to the address that the page came from.
    """
    facts = {
        "About": approval.title,
        "Asked by": approval.requested_by,
        "Terms": f"{approval.agreement}, version {approval.terms_version}",
        "Until": f"{approval.due_at:%Y-%m-%d %H:%M} UTC",
        "You": person,
    }
    told = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    working = "".join(f"<li>{escape(sentence)}</li>" for sentence in approval.working)
    form = (
        '<form method="post"><label>Reason <input name="reason" required maxlength="1000"></label>'
        '<button name="action" value="approve">Approve</button>'
        '<button name="action" value="reject">Reject</button></form>'
    )
    return _page(_title(approval), f"<dl>{told}</dl><ol>{working}</ol>{form}")


def decided(approval: Approval) -> str:
    """What became of it."""
    decision = approval.decision
    by = f" by {decision.by}: {decision.reason}" if decision else ""
    return notice(_title(approval), f"About {approval.title}: {approval.status}{by}")


def _title(approval: Approval) -> str:
    return approval.wish[0].upper() + approval.wish[1:]


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
