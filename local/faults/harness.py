"""Transactions of a workflow, side by side in one local environment, with faults as planned.

Lambda's and Step Functions' own retries are the local cloud's; time is virtual. Random waits are
half as long as they may be, so that no transaction goes another way by chance.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from local.cli.api import Api
from local.cli.errors import Failure
from local.cli.target import Target
from local.cloud import jsonata
from local.cloud.clock import VirtualEvent
from local.cloud.functions import Hook
from local.cloud.names import REGION
from local.environment import STACK, LocalEnvironment
from local.faults import injector, state_machines
from local.faults.census import Systems
from local.faults.planned import counted, plan_of, the_mark_in
from local.faults.scenarios import BEGINNINGS, Transaction
from local.faults.snapshot import Account, follow, take

SECONDS_FOR_A_WAVE = 300
DECIDED_BY = "the harness"
ATTEMPTS_TO_DECIDE = 5
MOST_DECISIONS = 20
SECONDS_BEFORE_SWEEP = 16 * 60
"""Longer than a sweep leaves what was just asked for to its event."""

WHICH = ("", "NotVisible", "Delayed")

Plan = dict[str, Any]
"""See `local.faults.planned`: `faults` by label, or a `draw` of them by a seed."""


class Harness:
    """A local environment whose functions fail as planned, and the transactions in it."""

    def __init__(self, progress: Callable[[str], None] = lambda step: None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="interlock-faults-"))
        for name in ("plans", "traces"):
            (self._directory / name).mkdir()
        self._cold: set[tuple[str, str]] = set()
        self._held: dict[str, VirtualEvent] = {}
        self._withheld: dict[str, list[dict[str, Any]]] = {}
        hook = Hook(Path(injector.__file__), str(self._directory), self._starts_cold, self._hold)
        self.environment = LocalEnvironment(virtual_time=True, progress=progress, hook=hook)
        self.systems = Systems(self.environment)
        self.cloud = self.environment.cloud
        self.environment.organization.on_change = self._relay
        # What the subscriptions come to in months of virtual time is nobody's transaction.
        self.environment.stripe.account.on_event = None
        self._describe_world()
        state_machines.watch(self.cloud, self._directory)
        jsonata.chance = lambda: 0.5

    def _describe_world(self) -> None:
        """Who listens on which port, which function has which name, and which take batches."""
        environment = self.environment
        servers = {
            "salesforce": environment.salesforce,
            "tryton": environment.erp_proxy,
            "stripe": environment.stripe,
            "zendesk": environment.zendesk,
        }
        peers = {server.url.rsplit(":", 1)[1]: name for name, server in servers.items()}
        peers |= {function.name: function.logical_id for function in self.cloud.functions}
        world = {"peers": peers, "fed_by_queues": sorted(self.fed_by_queues)}
        (self._directory / "world.json").write_text(json.dumps(world))

    @property
    def fed_by_queues(self) -> set[str]:
        """The functions, by logical id, that work on batches of messages."""
        mappings = self.cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        return {self.cloud.function(each["FunctionArn"]).logical_id for each in mappings}

    def new(self, workflow: str, plan: Plan | None = None) -> Transaction:
        """A transaction with a plan, not begun yet."""
        transaction = BEGINNINGS[workflow].begin(self.environment)
        self.plan(transaction, plan or {})
        return transaction

    def plan(self, transaction: Transaction, plan: Plan) -> None:
        """Give a transaction its plan; the invocations after this follow it."""
        path = self._directory / "plans" / f"{transaction.mark}.json"
        path.with_suffix(".new").write_text(json.dumps(plan))
        path.with_suffix(".new").replace(path)

    def start_cold(self, transaction: Transaction, function: str = "") -> None:
        """Give each invocation for a transaction, or those of one function, a new process."""
        self._cold.add((transaction.mark, function))

    def _starts_cold(self, function: str, payload: bytes) -> bool:
        return any(only in ("", function) and mark.encode() in payload for mark, only in self._cold)

    def trace(self, transaction: Transaction) -> list[dict[str, Any]]:
        """The calls that its functions made, in order, with the faults they met."""
        path = self._directory / "traces" / f"{transaction.mark}.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in counted(map(json.loads, lines)) if "call" in line]

    def take_from_plan(self, transaction: Transaction, *names: str) -> None:
        """What these parts of its plan do is over."""
        plan = plan_of(transaction.mark, self._directory)
        self.plan(transaction, {name: plan[name] for name in plan if name not in names})

    def send_to_inbox(self, bodies: list[str]) -> None:
        """Put events into Salesforce's inbox that will be read in one batch.

        They become visible together:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html
        """
        entries = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": 1}
            for number, body in enumerate(bodies)
        ]
        url = self.cloud.resources["SalesforceInbox"]
        self.cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)

    def sweep(self, function: str = "SweepOpportunitiesFunction") -> None:
        """Let a sweep look for what no event told of, as its schedule does: won deals without an
        order, unless it is another one."""
        name = self.cloud.function(function).name
        self.cloud.client("lambda").invoke(FunctionName=name, Payload="{}")

    def changes_of(self, mark: str, act: Callable[[], None]) -> list[dict[str, Any]]:
        """Change a record in the CRM: its change events, which nobody has been told yet."""
        self._withheld[mark] = []
        act()
        return self._withheld.pop(mark)

    def _relay(self, event: dict[str, Any]) -> None:
        [record] = event["detail"]["payload"]["ChangeEventHeader"]["recordIds"]
        if record in self._withheld:
            self._withheld[record].append(event)
        else:
            self.environment.publish(event)

    def run(self, transactions: Iterable[Transaction], decide: str | None = None) -> list[Account]:
        """Begin them together and follow them to their ends: what there is then.

        `decide` is what a team decides whenever one waits with an exception; None leaves it open.
        Who is asked to approve one decides as the transaction says.
        """
        transactions = list(transactions)
        for transaction in transactions:
            transaction.begin()
        return self.settle(transactions, decide)

    def settle(
        self,
        transactions: list[Transaction],
        decide: str | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        seconds: float = SECONDS_FOR_A_WAVE,
    ) -> list[Account]:
        """Follow those that have begun to their ends: what there is then. See `wait`."""
        end = time.monotonic() + seconds
        self.wait(transactions, meanwhile=meanwhile, seconds=seconds)
        for _ in range(MOST_DECISIONS):
            if not self._people_act(follow(self.cloud, transactions), decide):
                break
            self.wait(transactions, meanwhile=meanwhile, seconds=end - time.monotonic())
        return self.look(transactions)

    def _people_act(self, accounts: list[Account], decide: str | None) -> bool:
        """What has settled is decided, or swept if it never began: whether there was any such."""
        answering = [a for a in accounts if a.running and a.transaction.answer]
        asked = [(a, each) for a in answering for each in a.asked]
        waiting = [(a, each) for a in accounts if decide for each in a.waiting]
        sweeps = {a.transaction.swept_by for a in accounts if not a.runs} - {None}
        for account, approval in asked:
            self._answer(approval, account.transaction)
        for account, exception in waiting:
            self.decide(exception["id"], decide, account.transaction)
        for function in sweeps:
            self.cloud.clock.advance(SECONDS_BEFORE_SWEEP)
            self.sweep(function)
        return bool(asked or waiting or sweeps)

    def wait(
        self,
        transactions: list[Transaction],
        happen: Callable[[str], None] = lambda mark: None,
        meanwhile: Callable[[], None] = lambda: None,
        seconds: float = SECONDS_FOR_A_WAVE,
    ) -> None:
        """Until each has ended or waits for a team, and every message is handled.

        `happen` gets the mark of each transaction that is held where its plan says, once nothing
        else works; it goes on once what this began has come as far as it can. `meanwhile` is called
        all the time, and time does not jump as long as it takes. At most `seconds` of real time are
        waited: what is still open then is seen by the invariants.
        """
        end = time.monotonic() + seconds

        def is_over() -> bool:
            meanwhile()
            return self._all_are_held() or self._is_settled(transactions)

        with suppress(TimeoutError):
            while True:
                self.cloud.run_until(is_over, max(1.0, end - time.monotonic()))
                held = dict(self._held)
                if not held:
                    break
                for mark in held:
                    happen(mark)
                self.cloud.run_until(lambda: self.cloud.is_still, end - time.monotonic())
                for mark in held:
                    self._held.pop(mark).set()
        for event in self._held.values():
            event.set()

    def look(self, transactions: list[Transaction]) -> list[Account]:
        """All that is known of them now. What was set aside is taken out of its queue."""
        return take(self.cloud, transactions, self.systems.census())

    def forget(self, transactions: list[Transaction]) -> None:
        """Abort what still runs, watch them no longer, and leave nothing to a sweep."""
        states = self.cloud.client("stepfunctions")
        organization = self.environment.organization
        for account in follow(self.cloud, transactions):
            mark = account.transaction.mark
            (self._directory / "plans" / f"{mark}.json").unlink()
            for run in account.runs:
                if run["status"] == "RUNNING":
                    states.stop_execution(executionArn=run["executionArn"])
            if organization.find("Opportunity", mark):
                self.changes_of(mark, partial(organization.delete, "Opportunity", mark))

    def decide(self, exception_id: str, action: str, transaction: Transaction) -> None:
        """Decide as a person does: again, if the answer does not come."""
        # The mark in the reason: the function's other input does not name the transaction.
        reason = f"planned for {transaction.mark}"
        told = {"action": action, "by": DECIDED_BY, "reason": reason}
        payload = json.dumps({"id": exception_id, "decision": told})
        function = self.cloud.function("ResolveExceptionFunction").name
        for _ in range(ATTEMPTS_TO_DECIDE):
            answer = self.cloud.client("lambda").invoke(FunctionName=function, Payload=payload)
            if "FunctionError" not in answer:
                return

    def _answer(self, approval: dict[str, Any], transaction: Transaction) -> None:
        """Decide over the API as the first who is asked: again, if it could not be done."""
        told = {
            "action": transaction.answer,
            "reason": f"planned for {transaction.mark}",
            "subject_hash": approval["subject_hash"],
        }
        api = Api(Target.local(STACK, REGION, self.cloud.url), approval["people"][0])
        for _ in range(ATTEMPTS_TO_DECIDE):
            with suppress(Failure):
                api.post(f"/approvals/{approval['id']}/decision", told)
                return

    def _hold(self, payload: bytes) -> None:
        """An invocation is where its plan says: it waits until it is let go on."""
        mark = the_mark_in(payload.decode(), self._directory)
        event = self._held[mark] = VirtualEvent()
        event.wait()

    def _all_are_held(self) -> bool:
        return bool(self._held) and self.cloud.is_still

    def _is_settled(self, transactions: list[Transaction]) -> bool:
        if self._held or not self.cloud.is_still or self._messages():
            return False
        return all(account.has_settled for account in follow(self.cloud, transactions))

    def _messages(self) -> int:
        """Messages that a function is still to handle."""
        sqs = self.cloud.client("sqs")
        mappings = self.cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        total = 0
        for mapping in mappings:
            name = mapping["EventSourceArn"].rsplit(":", 1)[1]
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            total += sum(int(told[f"ApproximateNumberOfMessages{which}"]) for which in WHICH)
        return total

    def close(self) -> None:
        """End everything."""
        jsonata.chance = random.random
        self.systems.close()
        self.environment.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
