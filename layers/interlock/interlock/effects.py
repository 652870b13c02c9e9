"""The effect ledger: at most one remote record per business key, whatever crashes.

Every write to a vendor is an *effect* with a deterministic key (connection, operation, business
key). The ledger's row goes through these states:

    (absent) ─▶ INTENT ─perform─▶ DONE ─undo─▶ UNDOING ─cancel─▶ UNDONE ─▶ INTENT, next generation
                                                   └─skip, and it is still there─▶ LEFT to people

- A fresh claim performs at once. A claim found open (its owner died, or the answer was lost) is
  looked up at the vendor by business key first: adopted if it is there, performed again only if it
  is provably absent.
- DONE with the same content returns the stored result; with another content it is a conflict for
  a team. Financial effects never expire.
- A claim is leased, and carries a fencing number: who lost its lease can no longer record.
- DONE is written in one transaction with the cross-reference, so the two always agree.

No step here assumes that a process lives to the next line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from boto3.dynamodb.conditions import Attr

from interlock import authority, aws, plans
from interlock.canonical.base import Canonical, Command
from interlock.crossref import CrossReferences, reference
from interlock.effect import Effect, EffectKey, R, RemoteRecord
from interlock.errors import (
    BudgetExhausted,
    OutcomeUnknown,
    PermanentError,
    RecordConflict,
    RecordNotFound,
)
from interlock.settings import Settings

# Longer than any connector function may run (30 s), so that a live owner is never overtaken.
LEASE_SECONDS = 40


class State(StrEnum):
    """Where an effect stands."""

    INTENT = "INTENT"
    DONE = "DONE"
    UNDOING = "UNDOING"
    UNDONE = "UNDONE"
    LEFT = "LEFT"


class EffectsSettings(Settings):
    """The ledger's table."""

    effects_table: str


class Undone(Canonical):
    """What a compensation took back: the record's id there, None if there was nothing to undo."""

    remote_id: str | None


@dataclass
class Ledger:
    """The ledger in its DynamoDB table. `clock` returns seconds since the epoch."""

    table: str
    crossref: CrossReferences
    clock: Callable[[], float] = time.time
    lease_seconds: float = LEASE_SECONDS
    _client: Any = field(default_factory=aws.dynamodb)

    def once(
        self,
        effect: Effect[R],
        *,
        perform: Callable[[str], R],
        find: Callable[[], R | None],
        read: Callable[[str], R],
    ) -> R:
        """Make the write happen at most once, and return the vendor's record.

        `perform` gets an idempotency key, equal for equal content. `find` looks the record up by
        its business key, None when it is provably absent. `read` reads one by its id there: when a
        team linked an existing record, that is recorded instead of a write. In a dry run nothing is
        performed or recorded: a plan of it is noted.

        Raises AuthorityViolation, RecordConflict (done before with another content),
        OutcomeUnknown (another owner's lease is live), and whatever the vendor's adapter raises.
        """
        authority.check(
            effect.entity, effect.fields(), origin=effect.origin, creates=effect.creates
        )
        if effect.command.dry_run:
            plan, record = plans.rehearse(effect, self._idle(effect.key), find, read)
            self._note(effect.command, plan)
            return record
        content_hash = effect.content.fingerprint()
        if linked := effect.command.link_for(effect.key.record):
            existing = read(linked)
            # Without a claim of its own: an unfinished link must not pass for an unfinished write.
            before = self._idle(effect.key)
            claim = self._claim(effect, before, content_hash)
            return self._record(effect, claim, existing, before=before, created=False)
        found = self._idle(effect.key)
        if found and found["state"] == State.DONE:
            return self._stored(effect, found, content_hash)
        if found and found["state"] == State.LEFT:
            problem = "was to be taken back, and a team left it there: link what stands for it"
            raise RecordConflict(problem, **effect.key.where)
        row = self._take(effect, found, content_hash)
        try:
            result = find() if row["attempts"] > 1 else None
            if result is not None and row["intended_hash"] != content_hash:
                raise RecordConflict(
                    "an earlier attempt wrote this record with another content: link it, or"
                    " compensate and start again",
                    **effect.key.where,
                )
            if result is None:
                self._intend(effect, row, content_hash)
                result = perform(self._idempotency_key(effect, row, content_hash))
        except Exception as error:
            # An attempt that sent nothing leaves nothing to look for.
            unsent = isinstance(error, BudgetExhausted) and error.untouched
            self._release(effect.key, row | {"attempts": row["attempts"] - unsent})
            raise
        return self._record(effect, row, result, before=row, created=True)

    def first_terms(self, key: EffectKey) -> str:
        """The terms on which the write that is under way was first tried: for `perform` to ask."""
        return (self._read(key) or {})["terms"]

    def rely(self, key: EffectKey, command: Command) -> bool:
        """Rely on a record that was found in the system, instead of writing it: whether one may.

        One that we made is then not taken back by another transaction alone. One that was taken
        back meanwhile, or whose write is not finished, has to be written. Raises OutcomeUnknown
        while somebody works on it.
        """
        row = None if command.dry_run else self._idle(key)
        if row is None:
            return True
        if row["state"] == State.DONE:
            self._share(key, row, command)
        return row["state"] in (State.DONE, State.LEFT)

    def undo(
        self,
        key: EffectKey,
        *,
        entity: str,
        command: Command,
        find: Callable[[], RemoteRecord | None],
        cancel: Callable[[str], Any],
    ) -> Undone:
        """Take back what the command's transaction wrote.

        `cancel` gets the remote id and treats what is already cancelled as success, so a repeated
        undo is harmless. A record that was there before or that another transaction made is left
        alone, and so is one that another transaction relies on: the last of them takes it back.
        When a team skips it, nothing is cancelled: `find` tells whether people took the record back
        by hand; one that is still there is theirs. In a dry run a plan is noted instead. Raises
        OutcomeUnknown while another owner's lease is live, and what `find` and `cancel` raise.
        """
        row = self._read(key)
        sharers = _sharers(row) if row else []
        if command.correlation_id not in sharers or row["state"] in (State.UNDONE, State.LEFT):
            return Undone(remote_id=None)
        if row["state"] == State.DONE and not row["created"]:
            return Undone(remote_id=None)
        sharers.remove(command.correlation_id)
        if sharers:
            if not command.dry_run:
                self._shared_by(key, row, sharers)
            return Undone(remote_id=None)
        if command.dry_run:
            remote_id = self._remote_id(row, find)
            self._note(command, plans.taking_back(key, entity, remote_id))
            return Undone(remote_id=remote_id)
        row = self._take_back(key, row)
        try:
            if command.skipped and self._is_there(find):
                self._release(key, row | {"state": State.LEFT})
                return Undone(remote_id=None)
            remote_id = None if command.skipped else self._remote_id(row, find)
            if remote_id is not None:
                cancel(remote_id)
        except Exception:
            self._release(key, row)
            raise
        self._mark_undone(key, row, reference(entity, key.record))
        return Undone(remote_id=remote_id)

    @staticmethod
    def _remote_id(row: dict[str, Any], find: Callable[[], RemoteRecord | None]) -> str | None:
        """The id there of what an effect made, looked up if nothing of it is recorded."""
        if "remote_id" in row:
            return row["remote_id"]
        found = find()
        return found.remote_id if found else None

    @staticmethod
    def _is_there(find: Callable[[], RemoteRecord | None]) -> bool:
        """Whether the record is there, or a system that refuses to tell may have it."""
        try:
            return find() is not None
        except PermanentError as error:
            return not isinstance(error, RecordNotFound)

    def _note(self, command: Command, plan: plans.Plan) -> None:
        """Keep a dry run's plan; the same step again replaces it."""
        row = plans.item(plan, command.dry_run, self.clock())
        self._client.put_item(TableName=self.table, Item=row)

    def _idle(self, key: EffectKey) -> dict[str, Any] | None:
        """The row, if nobody works on it. Raises OutcomeUnknown when someone does."""
        row = self._read(key)
        if row and (row["lease_until"] > self.clock() or row["state"] == State.UNDOING):
            raise self._busy(key, row)
        return row

    def _take(
        self, effect: Effect, row: dict[str, Any] | None, content_hash: str
    ) -> dict[str, Any]:
        """Claim the effect, on condition that nobody did since `row` was read."""
        claim = self._claim(effect, row, content_hash)
        unchanged = Attr("fence").eq(row["fence"]) if row else Attr("effect").not_exists()
        if not self._put(claim, unchanged):
            raise self._busy(effect.key)
        return claim

    def _claim(
        self, effect: Effect, row: dict[str, Any] | None, content_hash: str
    ) -> dict[str, Any]:
        """The row that says that this run works on the effect."""
        again = row is not None and row["state"] == State.INTENT
        anew = row is not None and row["state"] == State.UNDONE
        now = self.clock()
        return {
            "effect": str(effect.key),
            "state": State.INTENT,
            "entity": effect.entity,
            "record": effect.key.record,
            "connection": effect.key.connection,
            "operation": effect.key.operation,
            "transaction": effect.command.correlation_id,
            # Kept from the open claim: it may have been performed with that content.
            "intended_hash": row["intended_hash"] if row and again else content_hash,
            "generation": int(row["generation"]) + anew if row else 1,
            "attempts": int(row["attempts"]) + 1 if row and again else 1,
            "fence": int(row["fence"]) + 1 if row else 1,
            "lease_until": int(now + self.lease_seconds),
            "claimed_at": int(now),
            "terms": row["terms"] if row and again and row["attempts"] else effect.terms,
        }

    def _intend(self, effect: Effect, row: dict[str, Any], content_hash: str) -> None:
        """Say so before a write with a content other than the claim's: a crash must not hide it."""
        if row["intended_hash"] == content_hash:
            return
        row["intended_hash"] = content_hash
        if not self._put(row, Attr("fence").eq(row["fence"])):
            raise self._busy(effect.key)

    def _record(
        self,
        effect: Effect[R],
        row: dict[str, Any],
        result: R,
        *,
        before: dict[str, Any] | None,
        created: bool,
    ) -> R:
        """DONE with the cross-reference, if the table still holds `before`."""
        done = row | {
            "state": State.DONE,
            "content_hash": effect.content.fingerprint(),
            "remote_id": result.remote_id,
            "created": created,
            "result": result.model_dump_json(),
            "lease_until": 0,
            "done_at": int(self.clock()),
        }
        link = self.crossref.link_item(
            reference(effect.entity, effect.key.record), effect.key.connection, result.remote_id
        )
        if not self._transact(done, before, {"Put": link}):
            raise self._busy(effect.key)
        return result

    def _stored(self, effect: Effect[R], row: dict[str, Any], content_hash: str) -> R:
        if row["content_hash"] != content_hash:
            raise RecordConflict(
                f"was written before with another content (by {row['transaction']}): amend it"
                " there by hand and link it, or compensate",
                **effect.key.where,
            )
        self._share(effect.key, row, effect.command)
        return effect.result.model_validate_json(row["result"])

    def _share(self, key: EffectKey, row: dict[str, Any], command: Command) -> None:
        """From now on this transaction relies on the record too."""
        sharers = _sharers(row)
        if command.correlation_id not in sharers:
            self._shared_by(key, row, [*sharers, command.correlation_id])

    def _shared_by(self, key: EffectKey, row: dict[str, Any], sharers: list[str]) -> None:
        owner, *others = sharers
        shared = row | {"transaction": owner, "others": others, "fence": int(row["fence"]) + 1}
        if not self._put(shared, Attr("fence").eq(row["fence"])):
            raise self._busy(key)

    def _take_back(self, key: EffectKey, row: dict[str, Any]) -> dict[str, Any]:
        """From now on nobody may rely on the record. Raises OutcomeUnknown when someone works."""
        if row["lease_until"] > self.clock():
            raise self._busy(key, row)
        undoing = row | {
            "state": State.UNDOING,
            "fence": int(row["fence"]) + 1,
            "lease_until": int(self.clock() + self.lease_seconds),
        }
        if not self._put(undoing, Attr("fence").eq(row["fence"])):
            raise self._busy(key)
        return undoing

    def _mark_undone(self, key: EffectKey, row: dict[str, Any], canonical_id: str) -> None:
        undone = row | {"state": State.UNDONE, "lease_until": 0, "undone_at": int(self.clock())}
        unlink = {"Delete": self.crossref.unlink_item(canonical_id, key.connection)}
        # What was never recorded has no cross-reference: one that is there is somebody else's.
        if not self._transact(undone, row, *([unlink] if "remote_id" in row else [])):
            raise self._busy(key)

    def _release(self, key: EffectKey, row: dict[str, Any]) -> None:
        """Give the lease back, so that the next attempt need not wait; the claim stays open."""
        self._put(row | {"lease_until": 0}, Attr("fence").eq(row["fence"]))

    def _read(self, key: EffectKey) -> dict[str, Any] | None:
        answer = self._client.get_item(
            TableName=self.table, Key={"effect": str(key)}, ConsistentRead=True
        )
        return answer.get("Item")

    def _put(self, row: dict[str, Any], condition: Any) -> bool:
        try:
            self._client.put_item(TableName=self.table, Item=row, ConditionExpression=condition)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _transact(
        self, row: dict[str, Any], before: dict[str, Any] | None, *crossref: dict[str, Any]
    ) -> bool:
        condition = "fence = :fence" if before else "attribute_not_exists(fence)"
        put = {"TableName": self.table, "Item": row, "ConditionExpression": condition}
        if before:
            put["ExpressionAttributeValues"] = {":fence": before["fence"]}
        return aws.transact(self._client, {"Put": put}, *crossref)

    @staticmethod
    def _idempotency_key(effect: Effect, row: dict[str, Any], content_hash: str) -> str:
        """Equal for equal content, so that a vendor recognises a repeated request.

        Short enough for every vendor (Stripe allows 255 characters), and a new one per generation
        and content: a vendor refuses a known key with other parameters.
        """
        return f"{effect.key}#{row['generation']}#{content_hash[:16]}"

    def _busy(self, key: EffectKey, row: dict[str, Any] | None = None) -> OutcomeUnknown:
        """`row` is the other run's, where it was read: its lease says when to try again."""
        left = int(row["lease_until"]) - int(self.clock()) if row else 0
        return OutcomeUnknown(
            "another run is writing this record", retry_after=max(0, left), **key.where
        )


def _sharers(row: dict[str, Any]) -> list[str]:
    """The transactions that rely on the record: the one that made it, and those it was given to."""
    return [row["transaction"], *row.get("others", ())]


def ledger() -> Ledger:
    """The ledger of this function's environment."""
    return Ledger(EffectsSettings.load().effects_table, CrossReferences.load())
