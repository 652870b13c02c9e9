"""What a dry run would write: a plan for each effect, with its differences field by field.

The effect ledger rehearses a write where it would otherwise claim it, perform it and record it: it
looks at its own row and at the system, and writes to neither. A plan is kept for a while beside the
effects, under the dry run's own id.

What a system refuses only when it is written to, no dry run can foresee.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from interlock.canonical.base import Canonical
from interlock.errors import PermanentError

if TYPE_CHECKING:
    from interlock.effect import Effect, EffectKey

KEPT_SECONDS = 7 * 24 * 3600
# Stands for an id or a number that a system would give.
NEW = "(new)"

R = TypeVar("R", bound=BaseModel)


Action = Literal["create", "update", "adopt", "link", "unchanged", "conflict", "take back"]


class Difference(Canonical):
    """One field: what the system holds now, and what would be there. None: no value."""

    field: str
    held: str | None
    wanted: str | None


class Plan(Canonical):
    """What would become of one effect.

    create      it is not there: it would be made
    update      the record is there: its fields would be set
    adopt       an earlier attempt made it, which is not recorded yet: it would be recorded
    link        a team says that it is there: it would be recorded
    unchanged   it is done: nothing would be written
    conflict    it is there with another content, or unknown to the ledger: a person has to look
    take back   it would be cancelled

    `remote_id` is the record's id in the system, None while there is none.
    """

    system: str
    operation: str
    entity: str
    record: str
    action: Action
    remote_id: str | None = None
    reason: str = ""
    differences: tuple[Difference, ...] = ()


def item(plan: Plan, dry_run: str, now: float) -> dict[str, Any]:
    """A plan's row; effects themselves have no `expires_at`, the table's attribute for expiry.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """
    return {
        "effect": f"plan#{dry_run}#{plan.system}#{plan.operation}#{plan.record}",
        "transaction": dry_run,
        "plan": plan.model_dump_json(),
        "planned_at": int(now * 1000),
        "expires_at": int(now + KEPT_SECONDS),
    }


class Rehearsed(NamedTuple):
    """A write's plan, and the record that the dry run goes on with."""

    plan: Plan
    record: Any


def rehearse(
    effect: Effect,
    row: dict[str, Any] | None,
    find: Callable[[], Any],
    read: Callable[[str], Any],
) -> Rehearsed:
    """What the ledger would do about an effect of which it has this row, that nobody works on.

    The record is the one that is there, otherwise what the ledger has stored, otherwise what is
    wanted with `NEW` for what the system would give. Raises what `find` and `read` raise.
    """
    content_hash = effect.content.fingerprint()
    if linked := effect.command.link_for(effect.key.record):
        existing = read(linked)
        return Rehearsed(_plan(effect, "link", existing), existing)
    if row and row["state"] == "DONE":
        stored = effect.result.model_validate_json(row["result"])
        held, problem = _looked_up(effect, find, read)
        if row["content_hash"] == content_hash:
            return Rehearsed(_plan(effect, "unchanged", held, problem), stored)
        return Rehearsed(_plan(effect, "conflict", held, problem), held or stored)
    held = _held(effect, find, read)
    begun = row is not None and row["state"] == "INTENT"
    if row and row["state"] == "LEFT":
        return Rehearsed(_plan(effect, "conflict", held, "a team left it there"), held)
    if not effect.creates:
        return Rehearsed(_plan(effect, "update", held), placeholder(effect.content, effect.result))
    if held is None:
        new = placeholder(effect.content, effect.result)
        return Rehearsed(_plan(effect, "create", None), new)
    if begun and row["intended_hash"] == content_hash:
        return Rehearsed(_plan(effect, "adopt", held), held)
    problem = (
        "an earlier attempt wrote it with another content"
        if begun
        else "is there although the ledger knows nothing of it: a second one might be made"
    )
    return Rehearsed(_plan(effect, "conflict", held, problem), held)


def taking_back(key: EffectKey, entity: str, remote_id: str | None) -> Plan:
    """The plan of a compensation; `remote_id` None: nothing is known to be there."""
    return Plan(
        system=key.connection,
        operation=key.operation,
        entity=entity,
        record=key.record,
        action="take back",
        remote_id=remote_id,
    )


def _plan(effect: Effect, action: Action, held: Any, reason: str = "") -> Plan:
    return Plan(
        system=effect.key.connection,
        operation=effect.key.operation,
        entity=effect.entity,
        record=effect.key.record,
        action=action,
        remote_id=held.remote_id if held is not None else None,
        reason=reason,
        differences=differences(effect.content, held) if not reason or held is not None else (),
    )


def _looked_up(
    effect: Effect, find: Callable[[], Any], read: Callable[[str], Any]
) -> tuple[Any, str]:
    """What the system holds of a finished effect, or why that cannot be told.

    The ledger itself does not look, so a system that shows no such record is no failure.
    """
    try:
        held = _held(effect, find, read)
    except PermanentError as error:
        return None, str(error)
    return held, "" if held is not None else "done, but the system shows it no more"


def _held(effect: Effect, find: Callable[[], Any], read: Callable[[str], Any]) -> Any:
    """The record as the system has it; one that is only updated is there under its own id."""
    return find() if effect.creates else read(effect.key.record)


def differences(wanted: Canonical, held: BaseModel | None) -> tuple[Difference, ...]:
    """Where a record differs from what is wanted: in the fields that are wanted and that it has.

    All that is wanted, where there is no record.
    """
    fields = set(wanted.model_dump(exclude={"id", "references"}, exclude_none=True))
    if held is not None:
        fields &= set(type(held).model_fields)
    after = dict(_leaves(wanted.model_dump(include=fields)))
    before = dict(_leaves(held.model_dump(include=fields))) if held is not None else {}
    return tuple(
        Difference(field=path, held=_text(before.get(path)), wanted=_text(after.get(path)))
        for path in after | before
        if after.get(path) != before.get(path)
    )


def placeholder(content: Canonical, result: type[R]) -> R:
    """The record that a write would return, as far as the content knows it: no more fields."""
    fields = result.model_fields
    known = {name: getattr(content, name) for name in fields if hasattr(content, name)}
    given = {name: NEW for name in ("remote_id", "number") if name in fields}
    return result.model_construct(**known | given)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values at the ends of dictionaries and lists, with the way to them: `lines.0.sku`."""
    match value:
        case dict():
            parts = value.items()
        case list() | tuple():
            parts = enumerate(value)
        case _:
            yield path, value
            return
    for name, part in parts:
        yield from _leaves(part, f"{path}.{name}" if path else str(name))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
