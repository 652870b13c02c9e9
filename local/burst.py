"""A burst of orders against a vendor's limit: is the rate used, and nothing refused?

    make burst

500 orders arrive at once. Their billing steps run as real function processes, through the Lambda
API, against the Stripe sandbox with a Stripe sandbox's limit, in a process of its own. A step that
fails waits as the state machine would: by the expressions of its definition. First with the
connection's budget, then, to compare, without it. The exit code says whether the goal was met:
no request refused, and at least 95 % of the allowed rate used.

What is not measured: whole runs, whose interpreter and ERP would be the limit on one machine.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import re
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

from local.cloud import LocalCloud
from local.cloud.jsonata import evaluate
from local.environment import NO_BUDGETS
from local.paths import ROOT
from local.sandboxes import stripe
from local.sandboxes.salesforce_store import ORGANIZATION_ID
from local.sandboxes.stripe.events import DESTINATION
from local.workflows import DEFINITIONS, Workflow

ORDERS = 500
REQUESTS_PER_SECOND = 25
GOAL = 0.95
BUDGET = json.dumps({"requests": REQUESTS_PER_SECOND, "seconds": 1})
# The billing steps of an order, each one request, with the events to invoke them with.
STEPS = {
    "GetCatalogueFunction": "billing/get_catalogue",
    "CreateBillingCustomerFunction": "billing/create_customer",
    "CreateSubscriptionFunction": "billing/create_subscription",
}
# Processes of each function: enough to sleep until their slots while others work.
CONCURRENCY = 32
# The stack's parameters but for billing: no other system is there, and nothing else happens.
NOTHING_ELSE = NO_BUDGETS | {
    "SalesforceOrganisation": ORGANIZATION_ID,
    "StripeDestination": DESTINATION,
    "SweepWonAfter": "2026-01-01T00:00:00Z",
    "SweepSchedule": "DISABLED",
    "CrmBaseUrl": "http://127.0.0.1:9",
    "ErpBaseUrl": "http://127.0.0.1:9",
    "SupportBaseUrl": "http://127.0.0.1:9",
}


@dataclass
class Measured:
    """What a burst came to. Times are in seconds; `arrivals` are those of requests that the vendor
    let in, `steps` how long each step that was done took, with all its waiting."""

    answers: Counter[int] = field(default_factory=Counter)
    arrivals: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    told_to_wait: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    given_up: int = 0

    @property
    def seconds(self) -> float:
        """From the first request to the last."""
        return max(self.arrivals) - min(self.arrivals)

    @property
    def rate(self) -> float:
        """Requests that were let in, per second."""
        return (len(self.arrivals) - 1) / self.seconds

    @property
    def refused(self) -> int:
        """Requests that were one too many."""
        return self.answers[429]

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        complete = len(self.steps) == ORDERS * len(STEPS)
        return complete and not self.refused and self.rate >= GOAL * REQUESTS_PER_SECOND


def serve_vendor(pipe: Pipe) -> None:
    """The vendor, a process of its own as a vendor is: tells its address, then what it answered.

    Ends when the other side is closed.
    """
    # A pause of this process of 0.2 s, which collecting garbage takes, would bunch what it counts.
    gc.disable()
    sandbox = stripe.create(requests_per_second=REQUESTS_PER_SECOND)
    stripe.seed(sandbox)
    answers: list[tuple[float, int]] = []

    @sandbox.app.after_request
    def remember(response: Any) -> Any:
        answers.append((time.monotonic(), response.status_code))
        return response

    sandbox.serve()
    pipe.send(sandbox.url)
    try:
        while pipe.recv():
            pipe.send(answers.copy())
            answers.clear()
    except EOFError:
        sandbox.close()


@contextmanager
def vendor() -> Iterator[tuple[str, Callable[[], list[tuple[float, int]]]]]:
    """The vendor's address, and what it has answered since it was last asked."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve_vendor, args=(theirs,), daemon=True)
    process.start()
    theirs.close()

    def answers() -> list[tuple[float, int]]:
        ours.send(True)
        return ours.recv()

    try:
        yield ours.recv(), answers
    finally:
        ours.close()
        process.join()


class Recovery:
    """What the workflow does when a step fails, by the expressions of its own definition."""

    def __init__(self) -> None:
        states = Workflow.load(DEFINITIONS / "lead_to_order.asl.yaml").states
        rules = states["StepFailed"]["Choices"]
        self._again = [rule["Condition"] for rule in rules if rule["Next"] == "BackOff"]
        self._seconds = states["BackOff"]["Seconds"]
        self._count = states["BackOff"]["Assign"]["attempts"]["count"]

    def seconds(self, variables: dict[str, Any]) -> float | None:
        """How long to wait before the next attempt, which is counted; None when a team is asked."""
        if not any(_evaluate(condition, variables) for condition in self._again):
            return None
        wait = _evaluate(self._seconds, variables)
        count = _evaluate(self._count, variables)
        variables["attempts"] = {"of": variables["failed"]["step"], "count": count}
        return wait


class Burst:
    """Orders whose billing steps run all at once."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._recovery = Recovery()
        self._events = {
            function: (ROOT / "events" / f"{name}.json").read_text()
            for function, name in STEPS.items()
        }
        self._numbers = iter(range(10**6))
        self._lock = threading.Lock()

    def run(self, orders: int) -> Measured:
        """Every step of so many orders, each of its own customer."""
        measured = Measured()
        numbers = [next(self._numbers) for _ in range(orders)]
        threads = [
            threading.Thread(target=self._order, args=(number, measured)) for number in numbers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return measured

    def _order(self, number: int, measured: Measured) -> None:
        for function, event in self._events.items():
            if not self._step(function, _own(event, number), measured):
                with self._lock:
                    measured.given_up += 1
                return

    def _step(self, function: str, payload: str, measured: Measured) -> bool:
        """One step until it is done; False when a team would be asked."""
        begun = time.monotonic()
        variables: dict[str, Any] = {"attempts": {}}
        while failed := self._fails(function, payload):
            variables["failed"] = {"step": function, "error": failed}
            wait = self._recovery.seconds(variables)
            with self._lock:
                measured.failures[failed["Error"]] += 1
                if wait is not None:
                    measured.told_to_wait.append(wait)
            if wait is None:
                return False
            time.sleep(wait)
        with self._lock:
            measured.steps.append(time.monotonic() - begun)
        return True

    def _fails(self, function: str, payload: str) -> dict[str, str] | None:
        """The error as Step Functions sees it; None when the function did its work."""
        answer = self._cloud.client("lambda").invoke(
            FunctionName=self._cloud.function(function).name, Payload=payload
        )
        content = answer["Payload"].read()
        if "FunctionError" not in answer:
            return None
        return {"Error": json.loads(content)["errorType"], "Cause": content.decode()}


def measure(budget: str) -> Measured:
    """A burst on a stack whose billing connection has this budget."""
    with vendor() as (url, answers):
        parameters = NOTHING_ELSE | {"BillingBaseUrl": url, "BillingBudget": budget}
        with LocalCloud(ROOT, parameters=parameters, concurrency=CONCURRENCY) as cloud:
            cloud.client("secretsmanager").put_secret_value(
                SecretId=cloud.resources["BillingSecret"],
                SecretString=json.dumps({"api_key": stripe.API_KEY}),
            )
            burst = Burst(cloud)
            _say("  starting the functions' processes")
            burst.run(CONCURRENCY)
            answers()
            _say(f"  {ORDERS} orders at once")
            measured = burst.run(ORDERS)
            told = answers()
    measured.answers.update(status for _, status in told)
    measured.arrivals.extend(moment for moment, status in told if status != 429)
    return measured


def report(measured: Measured) -> None:
    """The figures, for a person."""
    rate, used = measured.rate, measured.rate / REQUESTS_PER_SECOND
    failures = ", ".join(f"{name} {count}" for name, count in measured.failures.most_common())
    lines = {
        "requests let in": f"{len(measured.arrivals)} in {measured.seconds:.1f} s",
        "rate": f"{rate:.2f} of {REQUESTS_PER_SECOND} a second: {used:.1%}",
        "refused (429)": measured.refused,
        "a step took": _spread(measured.steps),
        "waited between": _spread(measured.told_to_wait),
        "functions failed": failures or "never",
        "orders for a team": measured.given_up,
    }
    for name, value in lines.items():
        _say(f"  {name:<20}{value}")


def main() -> int:
    """With the budget, then without."""
    _say("With the budget:")
    measured = measure(BUDGET)
    report(measured)
    _say("Without it, to compare:")
    report(measure("null"))
    goal = f"no request refused, at least {GOAL:.0%} of the rate used, every order billed"
    _say(f"{goal}: {'yes' if measured.met else 'MISSED'}")
    return 0 if measured.met else 1


def _own(event: str, number: int) -> str:
    """The event of an order, an account and a transaction of their own."""
    own = re.sub(r"(006Hs0+DealU|001Hs0+LarkR)\w*", rf"\g<1>{number:05}", event)
    return own.replace("billing@", f"billing{number}@")


def _evaluate(expression: str, variables: dict[str, Any]) -> Any:
    return evaluate(expression.removeprefix("{%").removesuffix("%}").strip(), variables)


def _spread(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return "never"
    middle, late, most = statistics.median(seconds), statistics.quantiles(seconds)[-1], max(seconds)
    return f"median {middle:.1f} s, upper quarter {late:.1f} s, at most {most:.1f} s"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
