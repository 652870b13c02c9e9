"""A program: the demo's own deal in real time, and what came of it, as JSON.

In a process of its own, since a process has one local cloud.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import USD_DEAL
from tests.workflows.runs import Workflow
from tests.workflows.systems import Systems


def main() -> None:
    with LocalEnvironment() as environment:
        workflow, systems = Workflow(environment), Systems(environment)
        run = workflow.win(USD_DEAL.record_id)
        output = run.wait_for_end()
        result = {
            "output": output,
            "order": systems.erp.order(run.deal).number,
            "footprint": asdict(systems.footprint(run.deal)),
            "events": run.events,
            "denied": [str(d) for d in environment.cloud.decisions if not d.allowed],
        }
        systems.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
