"""What must hold of every transaction, whatever failed: nothing twice, nothing lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from interlock.audit import AuditHead, AuditRow

from local.faults.census import Key, Remote
from local.faults.snapshot import Account

ENDED = "SUCCEEDED"
RUNNING = "RUNNING"
DONE = "DONE"
LEFT = "LEFT"
CREDIT_WORKFLOW = "case-to-credit"
SHOWN = ("service", "quote")
"""What is shown, and another time shown anew: only what is shown last is there."""

UNTRACKED = (
    *("organization", "counter", "void"),
    *("billed_contract", "renewal_deal", "term", "service"),
)
"""What may be there without a row of its own in the ledger: as a part of another effect, or found
and relied on."""

DOCUMENTS = ("invoice", "credit_note")
"""What the books have until billing voids it."""

TOLD_OFTEN = ("exception.", "approval.escalated")
"""What a run may tell of again, each time of something else."""

Kind = tuple[str, str]
"""System and entity."""


@dataclass(frozen=True)
class Expectation:
    """What a transaction should leave behind.

    `endings` are those that each of its runs may have, `live` how many records of which kind are
    there, `events` what the timeline tells at least, `audited` what the audit says, and `contracts`
    how our own record of each contract stands, with its revision. Records in
    `gone` were taken away by people, and of the kinds in `open` there may be any number.
    """

    endings: frozenset[str]
    live: Counter[Kind]
    events: frozenset[str]
    audited: frozenset[str] = frozenset()
    contracts: tuple[str, ...] = ()
    gone: frozenset[Key] = frozenset()
    open: frozenset[Kind] = frozenset()

    @classmethod
    def of(cls, account: Account) -> Expectation:
        """From a transaction that went well."""
        events = frozenset(event["type"] for event in account.events)
        return cls(
            endings=frozenset(account.endings),
            live=_live(account),
            events=events,
            audited=frozenset(_audited(account)),
            contracts=tuple(account.contracts),
        )


def violations(account: Account, expected: Expectation) -> list[str]:
    """Every way in which a transaction broke a promise; none is what we want."""
    return [
        *_twice(account),
        *_unowned(account),
        *_disagreeing(account, expected.gone),
        *_lost(account, expected),
        *_untold(account, expected),
        *_miscredited(account),
        *_unaudited(account, expected),
        *_unasked(account),
        *_miscontracted(account, expected),
        *_seen_differently(account),
        *(f"set aside: {reason}" for reason in account.set_aside),
    ]


def _live(account: Account) -> Counter[Kind]:
    return Counter(
        key[:2] for key, remotes in account.remote.items() for each in remotes if each.live
    )


def _twice(account: Account) -> Iterator[str]:
    """At most one live record per business key."""
    for key, remotes in account.remote.items():
        live = [remote for remote in remotes if remote.live]
        if len(live) > 1:
            yield f"twice: {_name(key)} is there {len(live)} times: {_ids(live)}"


def _unowned(account: Account) -> Iterator[str]:
    """Every run ends completed, compensated, or as an open exception with an owner."""
    if not account.runs:
        yield "lost: no run ever began"
    for run in account.runs:
        name = run["name"]
        mine = [row for row in account.waiting if row["id"] and row["correlation_id"] == name]
        if run["status"] == RUNNING and not mine:
            yield f"stuck: {name} runs, and no exception waits for a team"
        if run["status"] not in (RUNNING, ENDED):
            yield f"lost: {name} ended as {run['status']}: {run.get('error')}"
    for row in account.waiting:
        if not row["team"]:
            yield f"stuck: exception {row['id']} has no owner"


def _disagreeing(account: Account, gone: frozenset[Key]) -> Iterator[str]:
    """The ledger, the cross-references and the systems tell the same."""
    done = {}
    left = set()
    settled = {DONE, "UNDONE", *(("INTENT",) if _was_skipped(account) else ())}
    for row in account.effects:
        key = (row["connection"], row["entity"], row["record"])
        if row["entity"] in SHOWN and row["state"] in settled:
            continue
        if row["state"] == DONE:
            done[key] = row["remote_id"]
        elif row["state"] == LEFT:
            left.add(key)
        elif row["state"] != "UNDONE" and not account.waiting:
            yield f"open: effect {row['effect']} is {row['state']}, and nobody works on it"
    for key, remotes in account.remote.items():
        tracked = key not in left and (key in done or key[1] not in UNTRACKED)
        for remote in remotes:
            if remote.live and tracked and done.get(key) != remote.id and not account.waiting:
                yield f"unknown: {_name(key)} {remote.id} is there, the ledger says {done.get(key)}"
    voided = {(key[0], key[2]) for key in done if key[1] == "void"}
    for key, remote_id in done.items():
        if key in gone or (key[1] in DOCUMENTS and (key[0], key[2]) in voided):
            continue
        if remote_id not in [remote.id for remote in account.remote.get(key, []) if remote.live]:
            yield f"missing: the ledger says that {_name(key)} is {remote_id}; it is not there"
    linked = {
        (row["system"], *row["canonical_id"].split("#", 1)): row["remote_id"]
        for row in account.references
        if row["canonical_id"].split("#", 1)[0] not in SHOWN
    }
    for key in (linked.keys() | done.keys()) - left:
        if linked.get(key) != done.get(key):
            yield (f"cross-reference: {_name(key)} is {linked.get(key)}, done was {done.get(key)}")


def _was_skipped(account: Account) -> bool:
    """Whether a team let a step be: what it was to show is then shown by nobody."""
    resolved = [e["data"]["decision"] for e in account.events if e["type"] == "exception.resolved"]
    return any(decision["action"] == "skip" for decision in resolved)


def _lost(account: Account, expected: Expectation) -> Iterator[str]:
    """What ended well left behind what it should."""
    if account.waiting or not account.runs:
        return
    for ending in set(account.endings) - expected.endings:
        yield f"lost: ended as {ending!r} instead of {' or '.join(sorted(expected.endings))!r}"
    live = _live(account)
    gone = Counter(key[:2] for key in expected.gone)
    for what, number in (expected.live - live - gone).items():
        if what not in expected.open:
            yield f"lost: {number} {' '.join(what)} of {expected.live[what]} missing"
    for what, number in (live - expected.live).items():
        if what not in expected.open:
            yield f"left behind: {number} {' '.join(what)} too many"


def _untold(account: Account, expected: Expectation) -> Iterator[str]:
    """The timeline says what happened; its readers drop an event that was told again."""
    told = {event["type"] for event in account.events}
    if not account.waiting:
        for type_ in expected.events - told:
            yield f"untold: no {type_} on the timeline"
    if account.waiting and "exception.raised" not in told:
        yield "untold: an exception is open, and the timeline does not say so"
    different = Counter(type_ for type_, _ in {(e["type"], e["id"]) for e in account.events})
    for type_, number in different.items():
        if number > len(account.runs) and not type_.startswith(TOLD_OFTEN):
            yield f"told twice: {number} different {type_}"


def _miscredited(account: Account) -> Iterator[str]:
    """What is credited is what was granted, which the cap has room for."""
    caps = {
        (month["month"], month["cap"]["currency"]): Decimal(month["cap"]["amount"])
        for row in _audit(account)
        if row.action == "computed"
        for month in json.loads(row.facts)["credit"]["months"]
    }
    own = Decimal(0)
    for row in account.allowances:
        content = row["content"]
        amounts = [(each["transaction"], each["amount"]) for each in content["grants"]]
        month = (content["month"], content["currency"])
        granted = sum(Decimal(amount["amount"]) for _, amount in amounts)
        if granted > caps.get(month, granted):
            yield f"over the cap: {granted} of {caps[month]} are granted for {row['allowance']}"
        own += sum(
            Decimal(amount["amount"])
            for transaction, amount in amounts
            if account.transaction.mark in transaction
        )
    credited = sum(
        remote.net
        for key, remotes in account.remote.items()
        if key[1] == "credit"
        for remote in remotes
        if remote.live
    )
    if not account.running and credited != own:
        yield f"credited: {credited} by live credit notes, and {own} of the allowances are granted"


def _unaudited(account: Account, expected: Expectation) -> Iterator[str]:
    """The audit of a credit is whole, as far as events told of it, and has one end."""
    anchors = [
        AuditHead.model_validate(event["data"]["audit"])
        for event in account.events
        if "audit" in event["data"]
    ]
    chains = {chain.transaction: chain for chain in account.audit}
    for chain in chains.values():
        for problem in chain.problems(anchors):
            yield f"audit: {chain.transaction}: {problem}"
    for run in account.runs:
        if CREDIT_WORKFLOW in run["stateMachineArn"] and run["status"] != RUNNING:
            chain = chains.get(run["name"])
            actions = [row.action for row in chain.rows] if chain else []
            if actions.count("concluded") != 1 or actions[-1] != "concluded":
                yield f"audit: {run['name']} has ended, and its audit is {', '.join(actions)}"
    if not account.waiting:
        for action in expected.audited - _audited(account):
            yield f"audit: nothing says {action!r}"


def _unasked(account: Account) -> Iterator[str]:
    """Nobody is asked to approve what no run waits for."""
    for approval in account.asked:
        if approval["transaction"] not in account.running:
            yield f"asked in vain: {approval['id']} is pending, and its run has ended"


def _miscontracted(account: Account, expected: Expectation) -> Iterator[str]:
    """Our own record of a contract is changed as often as it should, and stands as it should."""
    if not account.waiting and tuple(account.contracts) != expected.contracts:
        stands, should = ", ".join(account.contracts), ", ".join(expected.contracts)
        yield f"contract: it is {stands or 'not there'} instead of {should or 'not there'}"


def _seen_differently(account: Account) -> Iterator[str]:
    """Sales and support see the same customer."""
    seen = {key: remotes[0].state for key, remotes in account.remote.items() if key[1] == "service"}
    for (system, entity, record), sales in seen.items():
        support = seen.get(("zendesk", entity, record), sales)
        if system == "salesforce" and sales != support and not account.waiting:
            yield f"service: sales see {sales}, support sees {support}"


def _audit(account: Account) -> Iterator[AuditRow]:
    return (row for chain in account.audit for row in chain.rows)


def _audited(account: Account) -> frozenset[str]:
    return frozenset(row.action for row in _audit(account))


def _name(key: tuple[str, str, str]) -> str:
    return f"{key[1]} {key[2]} in {key[0]}"


def _ids(remotes: list[Remote]) -> str:
    return ", ".join(f"{remote.id} ({remote.state})" for remote in remotes)
