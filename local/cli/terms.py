"""`interlock terms`: the contract terms in force, and putting others into force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import click
from interlock.canonical.records import RenewalTerms
from interlock.contract_terms import parse
from interlock.errors import ContractViolation
from interlock.rules.approval_policy import ApprovalPolicy
from interlock.rules.contract_terms import ContractTerms, ServiceTerms
from interlock.rules.renewal_policy import RenewalPolicy

from local.cli.errors import Failure
from local.cli.output import console, facts, json_option, print_json, section, table
from local.cli.target import Target, pass_target
from local.contract_terms import NotDeployed, deploy, deployed

file_argument = click.argument("file", type=click.File("rb"), metavar="FILE.json")


@click.group()
def terms() -> None:
    """The signed terms by which credits and renewals are computed and approved."""


@terms.command()
@json_option
@pass_target
def show(target: Target, as_json: bool) -> None:
    """Show the terms that are in force; with --json the whole document, to begin a new one with."""
    document = deployed(target.client("appconfigdata"), target.id)
    if document is None:
        raise Failure("no contract terms are in force: deploy the signed ones")
    found = _valid(document)
    if as_json:
        print_json(found)
    else:
        _show(found)


@terms.command()
@file_argument
def check(file: BinaryIO) -> None:
    """Say whether FILE is a valid document, and what it says."""
    _show(_valid(file.read()))


@terms.command("deploy")
@file_argument
@pass_target
def deploy_terms(target: Target, file: BinaryIO) -> None:
    """Put FILE into force. Credits that are under way keep the terms they began with.

    A document with a change has a version of its own: what was granted refers to it.
    """
    document = file.read()
    new = _valid(document)
    before = deployed(target.client("appconfigdata"), target.id)
    old = _last(before)
    if old == new:
        console().print(f"Version {new.version} is in force already.")
        return
    if old and old.version == new.version:
        raise Failure(
            f"version {old.version} is in force with another content: give the changed terms a"
            " version of their own"
        )
    try:
        deploy(target.client("appconfig"), target.id, document)
    except NotDeployed as error:
        raise Failure(f"version {new.version} is not in force: {error}") from error
    out = console()
    out.print(f"Version {new.version} is in force; every function has it within a minute.")
    if old:
        changed = table("Changed", "From", "To", whole=["Changed"])
        for path, values in _changes(_content(old), _content(new)):
            changed.add_row(path, *values)
        out.print(changed)


def _valid(document: bytes) -> ContractTerms:
    try:
        return parse(document)
    except ContractViolation as error:
        raise Failure(error.message) from error


def _last(document: bytes | None) -> ContractTerms | None:
    """What was in force; a document that an older program wrote may be no longer valid."""
    try:
        return parse(document) if document else None
    except ContractViolation:
        return None


def _content(found: ContractTerms) -> dict[str, Any]:
    return found.model_dump(mode="json")


def _changes(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, tuple[str, str]]]:
    """Each value that differs, by its path in the document."""
    if isinstance(old, list) and isinstance(new, list):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old | new:
            yield from _changes(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
    elif old != new:
        yield path, (_said(old), _said(new))


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def _show(found: ContractTerms) -> None:
    out = console()
    told = facts()
    told.add_row("Version", found.version)
    told.add_row("Fingerprint", found.fingerprint())
    out.print(told)
    for name, agreement in found.agreements.items():
        accounts = sorted(id for id, chosen in found.accounts.items() if chosen == name)
        everyone = ["every other account"] if name == found.default else []
        section(
            out, f"{name}: {', '.join(accounts + everyone) or 'no account'}", _agreed(agreement)
        )
    section(out, "Approval of credits", _approval(found.approval))
    if found.renewal:
        section(out, "Renewals", _renewals(found.renewal))
        section(out, "Approval of discounts, a year", _approval(found.renewal.discounts))


def _agreed(agreement: ServiceTerms) -> Any:
    told = facts()
    told.add_row("Incidents", ", ".join(agreement.severities))
    for tier in agreement.tiers:
        told.add_row(f"Below {tier.below} %", f"{tier.percent} % of the month's fee")
    told.add_row(
        "At most", f"{agreement.cap_percent} % of a month's fees, as {agreement.instrument}"
    )
    told.add_row("Claimed within", f"{agreement.claim_days} days")
    for window in agreement.maintenance:
        told.add_row("Maintenance", f"{window.weekday} {window.start} to {window.end} UTC")
    for time in agreement.excluded:
        told.add_row("Excluded", f"{time.start} to {time.end}: {time.reason}")
    return told


def _renewals(policy: RenewalPolicy) -> Any:
    told = facts()
    told.add_row("Unless agreed otherwise", _usual(policy.defaults))
    for name, years in policy.indices.items():
        published = (f"{year}: {percent} %" for year, percent in sorted(years.items()))
        told.add_row(name, ", ".join(published))
    told.add_row(
        "Notice",
        f"{policy.notice_opens_days} to {policy.notice_closes_days} days before the last day to"
        " say no",
    )
    told.add_row(
        "Held back",
        f"overdue by more than {_amounts(policy.held_above) or 'nothing'}, for more than"
        f" {policy.held_after_days} days",
    )
    return told


def _usual(terms: RenewalTerms) -> str:
    goes_on = f"renews itself for {terms.renewal_months} months" if terms.auto_renews else "ends"
    rise = terms.index or f"{terms.uplift or 0} %"
    cap = "" if terms.uplift_cap is None else f", {terms.uplift_cap} % at most"
    return f"{goes_on}; notice {terms.notice_days} days before; prices rise by {rise}{cap}"


def _approval(policy: ApprovalPolicy) -> Any:
    told = table("Up to", "Who", "Addresses")
    told.add_row(_amounts(policy.automatic_up_to), "nobody")
    for tier in policy.tiers:
        amounts = _amounts(tier.up_to) if tier.up_to else "any amount"
        told.add_row(amounts, tier.role, ", ".join(policy.approvers.get(tier.role, ())))
    return told


def _amounts(amounts: dict[str, Any]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts.items())
