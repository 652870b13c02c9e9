"""The effect ledger against every order of failures, deaths, leases, links and undoing.

A state machine of hypothesis plays several transactions that write, link and undo one record at a
vendor that fails in each way there is, while the ledger's own process may die at any of its calls.
After each step the invariants of RES-4 hold; with a ledger that leaves one precaution out, they do
not.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from interlock import aws
from interlock.canonical import Command
from interlock.crossref import CrossReferences
from interlock.effects import LEASE_SECONDS, Effect, EffectKey, Ledger, State, Undone
from interlock.errors import InterlockError, OutcomeUnknown, RecordConflict
from interlock.plans import Plan
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from tests.unit import samples
from tests.unit.conftest import REGION, Clock, Cloud
from tests.unit.fake_vendor import Crash, Fault, MortalClient, Note, Vendor

TRANSACTIONS = st.sampled_from(["T1", "T2", "T3"])
CONTENTS = st.sampled_from(["as agreed", "as edited"])
FAULTS = st.sampled_from(Fault)
# At which of the ledger's calls the process dies, if at all, and on which side of it.
DEATHS = st.one_of(st.none(), st.tuples(st.integers(0, 3), st.booleans()))

_numbers = itertools.count(1)
_deserialize = TypeDeserializer().deserialize


def _item(table: str, hash_key: str, range_key: str | None = None) -> dict[str, Any] | None:
    """A row, read past DynamoDB's API: the invariants look after every step."""
    backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
    keys = [DynamoType({"S": key}) for key in (hash_key, range_key) if key]
    item = backend.tables[table].get_item(*keys)
    return _deserialize({"M": item.to_json()["Attributes"]}) if item else None


class Ledgers(RuleBasedStateMachine):
    """One record's business key, three transactions that want it, and people."""

    ledger_type: ClassVar[type[Ledger]] = Ledger

    @initialize()
    def nothing_was_written(self) -> None:
        """A business key that nothing is known of, and a record that people made without it."""
        self.clock = Clock()
        self.vendor = Vendor()
        self.client = MortalClient(aws.dynamodb())
        self.crossref = CrossReferences("CrossReferencesTable", self.clock, aws.dynamodb())
        self.ledger = self.ledger_type(
            "EffectsTable", self.crossref, self.clock, _client=self.client
        )
        self.key = EffectKey("zendesk", "create_task", f"salesforce:{next(_numbers)}/kickoff")
        self.by_hand = self.vendor.create(self.note("by hand", id="by-hand"), "people").remote_id
        self.linked: set[str] = set()
        self.relying: dict[str, set[str]] = defaultdict(set)

    def note(self, subject: str, **values: Any) -> Note:
        """A content of the record."""
        given = {"id": self.key.record, "subject": subject}
        return Note(**(given | values))

    # ---- What transactions and teams do

    @rule(transaction=TRANSACTIONS, content=CONTENTS, fault=FAULTS, death=DEATHS)
    def write(self, transaction: str, content: str, fault: Fault, death: Any) -> None:
        """A transaction writes, and something may go wrong."""
        self._arm(fault, death)
        self._write(samples.command(transaction), content)

    @rule(transaction=TRANSACTIONS, other=TRANSACTIONS, content=CONTENTS)
    def overtaken(self, transaction: str, other: str, content: str) -> None:
        """A write takes longer than its lease, and another run takes over meanwhile."""

        def overtake() -> None:
            self.clock.advance(LEASE_SECONDS)
            self._write(samples.command(other), content)

        self._arm(Fault.NONE, None)
        self.vendor.meanwhile = overtake
        self._write(samples.command(transaction), content)

    @rule(transaction=TRANSACTIONS, other=TRANSACTIONS, content=CONTENTS)
    def crowded(self, transaction: str, other: str, content: str) -> None:
        """While a write is on its way, another run tries the same: it must wait."""

        def intrude() -> None:
            calls = len(self.vendor.calls)
            try:
                self._once(samples.command(other), content)
            except OutcomeUnknown:
                assert len(self.vendor.calls) == calls
            else:
                raise AssertionError("the owner's lease is live")

        self._arm(Fault.NONE, None)
        self.vendor.meanwhile = intrude
        self._write(samples.command(transaction), content)

    @rule(transaction=TRANSACTIONS, content=CONTENTS, ours=st.booleans(), death=DEATHS)
    def link(self, transaction: str, content: str, ours: bool, death: Any) -> None:
        """A team links the record that carries the key, or the one made by hand."""
        live = self.vendor.live(self.key.record)
        remote_id = live[0].remote_id if ours and live else self.by_hand
        self.linked.add(remote_id)
        self._arm(Fault.NONE, death)
        decision = {"action": "link", "remote_id": remote_id, "record": self.key.record}
        self._write(samples.command(transaction, **decision), content)

    @rule(transaction=TRANSACTIONS, fault=FAULTS, death=DEATHS)
    def undo(self, transaction: str, fault: Fault, death: Any) -> None:
        """A transaction compensates, and something may go wrong."""
        self._arm(fault, death)
        with suppress(InterlockError, Crash):
            self._undo(transaction)

    @rule(transaction=TRANSACTIONS, by_hand=st.booleans(), fault=FAULTS, death=DEATHS)
    def skip(self, transaction: str, by_hand: bool, fault: Fault, death: Any) -> None:
        """A team skips a compensation; people have taken the record back by hand, or leave it."""
        row = self._row()
        if row and row["state"] == State.UNDOING and by_hand:
            self.vendor.cancelled |= {note.remote_id for note in self.vendor.live(self.key.record)}
        self._arm(fault, death)
        with suppress(InterlockError, Crash):
            self._undo(transaction, action="skip")

    @rule(seconds=st.sampled_from([1, LEASE_SECONDS - 1, LEASE_SECONDS]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    # ---- What must be true after every step

    @invariant()
    def at_most_one_live_record(self) -> None:
        """Never two records for one business key."""
        assert len(self.vendor.live(self.key.record)) <= 1

    @invariant()
    def the_ledger_agrees_with_the_vendor_and_the_cross_references(self) -> None:
        """DONE means that the vendor has that record and the cross-reference names it."""
        row = self._row()
        linked = self._linked()
        if row and row["state"] == State.DONE:
            stored = Note.model_validate_json(row["result"])
            assert linked == row["remote_id"] == stored.remote_id
            assert self.vendor.records[linked] == stored
            assert linked not in self.vendor.cancelled
        elif row and row["state"] == State.LEFT:
            assert linked == row.get("remote_id")
        elif not row or row["state"] != State.UNDOING:
            assert linked is None

    @invariant()
    def what_people_made_is_untouched(self) -> None:
        """No compensation cancels a record that was there before."""
        assert self.by_hand not in self.vendor.cancelled

    @precondition(lambda self: len(self.vendor.calls) > 3)
    @rule()
    def in_the_end_it_is_settled(self) -> None:
        """When nothing fails any more, a write ends with a record or with a conflict."""
        self._arm(Fault.NONE, None)
        self.clock.advance(LEASE_SECONDS)
        row = self._row()
        if row and row["state"] == State.UNDOING:
            self._undo(row["transaction"])
        with suppress(RecordConflict):
            self._once(samples.command("T1"), "as agreed")
            assert self._row()["state"] == State.DONE

    # ---- How it is done

    def _row(self) -> dict[str, Any] | None:
        return _item("EffectsTable", str(self.key))

    def _linked(self) -> str | None:
        row = _item("CrossReferencesTable", f"task#{self.key.record}", self.key.connection)
        return row["remote_id"] if row else None

    def _arm(self, fault: Fault, death: tuple[int, bool] | None) -> None:
        self.vendor.fault = fault
        self.vendor.meanwhile = None
        self.client.dies_at, self.client.dies_after = death or (None, False)

    def _once(self, command: Command, content: str) -> Note:
        """Write; who claims an open effect owns what came of it."""
        before = self._row()
        effect = Effect(
            key=self.key,
            entity="task",
            content=self.note(content),
            origin="integration",
            command=command,
            result=Note,
        )
        try:
            written = self.ledger.once(
                effect,
                perform=lambda _: self.vendor.create(effect.content, command.correlation_id),
                find=lambda: self.vendor.find(self.key.record),
                read=self.vendor.read,
            )
            if not command.dry_run:
                self.relying[written.remote_id].add(command.correlation_id)
            return written
        finally:
            was_open = before and before["state"] == State.INTENT
            if was_open and self._row()["transaction"] == command.correlation_id:
                for record in self.vendor.live(self.key.record):
                    self.vendor.owner[record.remote_id] = command.correlation_id

    def _write(self, command: Command, content: str) -> None:
        with suppress(InterlockError, Crash):
            written = self._once(command, content)
            assert self.vendor.records[written.remote_id] == written
            assert written.subject == content or written.remote_id in self.linked

    def _undo(self, transaction: str, **told: Any) -> Undone:
        if "dry_run" not in told:
            for transactions in self.relying.values():
                transactions.discard(transaction)

        def cancel(remote_id: str) -> None:
            assert self.vendor.owner[remote_id] != "people"
            assert not self.relying[remote_id]
            self.vendor.cancel(remote_id)

        return self.ledger.undo(
            self.key,
            entity="task",
            command=samples.command(transaction, **told),
            find=lambda: self.vendor.find(self.key.record),
            cancel=cancel,
        )


class Rehearsals(Ledgers):
    """The same, with a dry run before any of it."""

    @rule(transaction=TRANSACTIONS, content=CONTENTS)
    def rehearse(self, transaction: str, content: str) -> None:
        """A dry run writes nothing, and foretells what a run in earnest does right after it."""
        self._arm(Fault.NONE, None)
        before = self._everything()
        foretold = self._outcome(samples.command(transaction, dry_run="D1"), content)
        assert self._everything() == before
        if foretold != "busy":
            plan = _item("EffectsTable", f"plan#D1#{self.key}")["plan"]
            foretold = Plan.model_validate_json(plan).action
        calls = len(self.vendor.calls)
        done = self._outcome(samples.command(transaction), content)
        made = self.vendor.calls[calls:]
        written = "create" if "create" in made else "adopt" if "find" in made else "unchanged"
        assert foretold == (written if done == "written" else done)

    @rule(transaction=TRANSACTIONS)
    def rehearse_undoing(self, transaction: str) -> None:
        """A dry run takes nothing back, and foretells what would be."""
        self._arm(Fault.NONE, None)
        before = self._everything()
        try:
            foretold = self._undo(transaction, dry_run="D1")
            assert self._everything() == before
            assert foretold == self._undo(transaction)
        except OutcomeUnknown:
            assert self._everything() == before

    def _everything(self) -> Any:
        """All that a dry run could do damage to."""
        records = [(id, note.model_dump()) for id, note in self.vendor.records.items()]
        return records, sorted(self.vendor.cancelled), self._row(), self._linked()

    def _outcome(self, command: Command, content: str) -> str:
        """What becomes of a write with which nothing goes wrong."""
        try:
            self._once(command, content)
        except OutcomeUnknown:
            return "busy"
        except RecordConflict:
            return "conflict"
        return "written"


@pytest.fixture
def tables(cloud: Cloud) -> None:
    """The ledger's tables; each example has a business key of its own in them."""
    cloud.table("EffectsTable")
    cloud.table("CrossReferencesTable")


@pytest.mark.parametrize(("machine", "examples"), [(Ledgers, 60), (Rehearsals, 20)])
def test_nothing_twice_whatever_happens(
    tables: None, machine: type[Ledgers], examples: int
) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# ---- The same with one precaution left out each: the invariants must notice.


class NeverLooks(Ledger):
    """Takes every claim for a fresh one."""

    def _take(self, *arguments: Any) -> dict[str, Any]:
        return super()._take(*arguments) | {"attempts": 1}


class Unfenced(Ledger):
    """Records whatever happened meanwhile."""

    def _put(self, row: dict[str, Any], condition: Any) -> bool:
        self._client.put_item(TableName=self.table, Item=row)
        return True

    def _transact(self, row: dict[str, Any], before: Any, *crossref: dict[str, Any]) -> bool:
        put = {"Put": {"TableName": self.table, "Item": row}}
        self._client.transact_write_items(TransactItems=[put, *crossref])
        return True


class Unleased(Ledger):
    """Does not wait for a live owner."""

    def _idle(self, key: EffectKey) -> dict[str, Any] | None:
        return self._read(key)


class ClaimsLinks(Ledger):
    """Takes a record that people linked for one that it made."""

    def _record(self, *arguments: Any, **named: Any) -> Any:
        return super()._record(*arguments, **(named | {"created": True}))


class LeavesCrossReference(Ledger):
    """Records DONE, but not the cross-reference."""

    def _transact(self, row: dict[str, Any], before: Any, *crossref: dict[str, Any]) -> bool:
        return super()._transact(row, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        NeverLooks,
        pytest.param(Unfenced, marks=pytest.mark.slow),
        Unleased,
        ClaimsLinks,
        LeavesCrossReference,
    ],
)
def test_a_ledger_without_one_of_its_precautions_is_noticed(
    tables: None, broken: type[Ledger]
) -> None:
    machine = type("Broken", (Ledgers,), {"ledger_type": broken})

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=400,
                stateful_step_count=15,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
