"""Suspending a customer, and resuming its service: in which order, so that no crash loses any.

What a person wants is (1) stored, (2) appended to the audit, (3) told on the integration bus, which
starts the run that tells support and sales. Each is harmless when it is done again: the stored one
is conditional, the audit and the event know their own ids. So whoever comes next, with whatever
instruction, completes what a crash left of the last one.
"""

from __future__ import annotations

import re

from interlock import events
from interlock.audit import Audit, Entry
from interlock.errors import BusinessRuleViolation, RecordNotFound
from interlock.events import Event
from interlock.suspensions import Instruction, Interruption, Suspensions

# Its end names a run.
ACCOUNT = re.compile(r"[\w.-]+:[\w-]{1,60}", re.ASCII)


def change(wanted: Instruction) -> Instruction:
    """Do what a person wants, unless it is done; returns the instruction as it is kept.

    Raises RecordNotFound for what is no account's id, and BusinessRuleViolation when somebody else
    has done the same before, or when there is nothing to resume.
    """
    if not ACCOUNT.fullmatch(wanted.account_id):
        raise RecordNotFound(
            "no account has such an id: give the canonical one, as salesforce:001Hs00000LarkRIAS",
            record=wanted.account_id,
        )
    store = Suspensions.load()
    known = store.last(wanted.account_id)
    if known:
        _complete(known.last)
    if known and known.last.action == wanted.action:
        return _kept(known.last, wanted)
    changed = _changed(known, wanted)
    if not store.write(changed, over=known):
        return change(wanted)
    _complete(changed.last)
    return changed.last


def _changed(known: Interruption | None, wanted: Instruction) -> Interruption:
    if known:
        return known.then(wanted)
    if wanted.action == "resume":
        raise BusinessRuleViolation(
            ["is not suspended: there is nothing to resume"], record=wanted.account_id
        )
    return Interruption(suspended=wanted)


def _kept(last: Instruction, wanted: Instruction) -> Instruction:
    """The same by the same person again is harmless; another one is told who was faster."""
    if last.by != wanted.by:
        before = f"was {last.done} before by {last.by}, at {last.at:%Y-%m-%d %H:%M} UTC"
        raise BusinessRuleViolation([f"{before}: {last.reason}"], record=last.account_id)
    return last


def _complete(kept: Instruction) -> None:
    head = Audit.load().append(
        Entry(
            transaction=kept.transaction,
            subject=kept.account_id,
            actor=kept.by,
            action=kept.done,
            facts=kept.model_dump(mode="json"),
            id=kept.transaction,
        )
    )
    told = kept.model_dump(mode="json", include={"action", "by", "reason"})
    events.publish(
        Event(
            id=kept.transaction,
            type="service.change_requested",
            source=events.SOURCE,
            subject=kept.account_id,
            occurred_at=kept.at,
            correlation_id=kept.transaction,
            data=told | {"audit": head.model_dump()},
        )
    )
