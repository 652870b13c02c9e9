"""Who owns which field (AUT-1), and the refusal of a write by anyone else (AUT-2).

The rules are in `authority.toml`. The effect ledger checks every vendor write against them, so no
connector can forget to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources

from interlock.canonical.base import Canonical
from interlock.errors import AuthorityViolation, ContractViolation


class FieldAuthority(Canonical):
    """The owner of a field, and who may give its first value while the record does not exist."""

    owner: str
    draft: str | None = None


@cache
def rules() -> dict[str, dict[str, FieldAuthority]]:
    """The authority file: entity → field → authority."""
    text = resources.files("interlock").joinpath("authority.toml").read_text()
    return {
        entity: {name: FieldAuthority(**rule) for name, rule in fields.items()}
        for entity, fields in tomllib.loads(text).items()
    }


def check(entity: str, fields: Iterable[str], *, origin: str, creates: bool) -> None:
    """Refuse values from `origin` for fields that it does not own.

    `creates` says that the record does not exist yet in the system that is written to. Raises
    AuthorityViolation naming the fields and their owners, ContractViolation for an entity or a
    field that the file does not know.
    """
    known = rules().get(entity)
    if known is None:
        raise ContractViolation(f"authority.toml says nothing about {entity!r}")
    if unknown := sorted(set(fields) - known.keys()):
        raise ContractViolation(f"authority.toml names no owner of {entity} {', '.join(unknown)}")
    refused = {
        name: known[name].owner
        for name in fields
        if origin != known[name].owner and not (creates and origin == known[name].draft)
    }
    if refused:
        owners = ", ".join(f"{name} ({owner} owns it)" for name, owner in sorted(refused.items()))
        raise AuthorityViolation(f"{origin} may not write {entity} {owners}")
