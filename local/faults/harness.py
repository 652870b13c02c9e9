"""Transactions of a workflow, side by side in one local environment, with faults as planned.

Lambda's and Step Functions' own retries are the local cloud's; time is virtual.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from local.cloud.functions import Hook
from local.environment import LocalEnvironment
from local.faults import injector, state_machines
from local.faults.census import Systems
from local.faults.scenarios import BEGINNINGS, Transaction
from local.faults.snapshot import Account, follow, take

SECONDS_FOR_A_WAVE = 120
DECIDED_BY = "the harness"
ATTEMPTS_TO_DECIDE = 5

Plan = dict[str, Any]
"""See `local.faults.injector`: `faults` by label, or a `draw` of them by a seed."""


class Harness:
    """A local environment whose functions fail as planned, and the transactions in it."""

    def __init__(self, progress: Callable[[str], None] = lambda step: None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="interlock-faults-"))
        for name in ("plans", "traces"):
            (self._directory / name).mkdir()
        self._cold: set[tuple[str, str]] = set()
        hook = Hook(Path(injector.__file__), str(self._directory), self._starts_cold)
        self.environment = LocalEnvironment(virtual_time=True, progress=progress, hook=hook)
        self._name_peers()
        self.systems = Systems(self.environment)
        self.cloud = self.environment.cloud
        state_machines.watch(self.cloud, self._directory)

    def _name_peers(self) -> None:
        """Who listens on which port, and which function has which name."""
        environment = self.environment
        servers = {
            "salesforce": environment.salesforce,
            "tryton": environment.erp_proxy,
            "stripe": environment.stripe,
            "zendesk": environment.zendesk,
        }
        names = {server.url.rsplit(":", 1)[1]: name for name, server in servers.items()}
        names |= {function.name: function.logical_id for function in environment.cloud.functions}
        (self._directory / "peers.json").write_text(json.dumps(names))

    def new(self, workflow: str, plan: Plan | None = None) -> Transaction:
        """A transaction with a plan, not begun yet."""
        transaction = BEGINNINGS[workflow](self.environment)
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
        return [line for line in map(json.loads, lines) if "call" in line]

    def run(self, transactions: Iterable[Transaction], decide: str | None = None) -> list[Account]:
        """Begin them together and follow them to their ends: what there is then.

        `decide` is what a team decides whenever one waits with an exception; None leaves it open.
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
        """Until each has ended or waits for a team, and every message is handled.

        `meanwhile` is called all the time, and time does not jump as long as it takes. At most
        `seconds` of real time are waited.
        """
        end = time.monotonic() + seconds

        def is_settled() -> bool:
            meanwhile()
            return self._is_settled(transactions)

        while True:
            try:
                self.cloud.run_until(is_settled, max(1.0, end - time.monotonic()))
            except TimeoutError:
                break  # what is still open is seen by the invariants
            accounts = follow(self.cloud, transactions) if decide else []
            if not any(account.waiting for account in accounts):
                break
            for account in accounts:
                for exception in account.waiting:
                    self._decide(exception, decide, account.transaction)
        return take(self.cloud, transactions, self.systems.census())

    def _is_settled(self, transactions: list[Transaction]) -> bool:
        if not self.cloud.clock.is_quiet() or self._messages():
            return False
        return all(account.has_settled for account in follow(self.cloud, transactions))

    def _messages(self) -> int:
        """Messages that a function is still to handle."""
        sqs = self.cloud.client("sqs")
        mappings = self.cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        total = 0
        for mapping in mappings:
            name = mapping["EventSourceArn"].rsplit(":", 1)[1]
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            total += sum(int(told[name]) for name in names)
        return total

    def _decide(self, exception: dict[str, Any], decision: str, transaction: Transaction) -> None:
        """Decide as a person does: again, if the answer does not come."""
        # The mark in the reason: the function's other input does not name the transaction.
        reason = f"planned for {transaction.mark}"
        told = {"action": decision, "by": DECIDED_BY, "reason": reason}
        payload = json.dumps({"id": exception["id"], "decision": told})
        function = self.cloud.function("ResolveExceptionFunction").name
        for _ in range(ATTEMPTS_TO_DECIDE):
            answer = self.cloud.client("lambda").invoke(FunctionName=function, Payload=payload)
            if "FunctionError" not in answer:
                return

    def close(self) -> None:
        """End everything."""
        self.systems.close()
        self.environment.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
