"""Draws each workflow from its definition: `python -m local.pictures` writes docs/<workflow>.md.

The pictures are Mermaid, which GitHub shows as it is: https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from interlock.rules.routing import Routing

from local.paths import ROOT
from local.project import Function, functions
from local.workflows import RECOVERY, Transition, Workflow, workflows

DOCUMENTS = ROOT / "docs"
ROUTING = ROOT / "functions/exceptions/raise_exception/routing.toml"

COMMAND = "python -m local.pictures"
FAILED_STEP = "the step that failed"

SYSTEMS = {"crm": "the CRM", "erp": "the ERP", "billing": "billing", "support": "support"}
# Name, fill, border and text: legible on GitHub's light and dark pages.
COLOURS = {
    "crm": ("blue", "#dbeafe", "#3b82f6", "#1e3a8a"),
    "erp": ("green", "#dcfce7", "#22c55e", "#14532d"),
    "billing": ("violet", "#ede9fe", "#8b5cf6", "#4c1d95"),
    "support": ("orange", "#ffedd5", "#f97316", "#7c2d12"),
    "own": ("grey", "#f1f5f9", "#64748b", "#0f172a"),
}

PAGE = """\
# {title}

<!-- Drawn from statemachines/{name}.asl.yaml by `{command}`: do not edit. -->

Each box is a state of the [definition](../statemachines/{name}.asl.yaml), with the function that
it runs. The colours are the systems: {legend}, and grey the integration itself. A box
with double sides runs once for each of several items, or several functions side by side.

## When all goes well

From top to bottom. A dotted line leads to the state that takes a write back. A replay from a step
goes to it through `Resume`, below; a dry run takes the same way, and ends before anyone is told.

{forward}

## When a step fails

Nothing stops silently: a step is tried again, or a team decides. Compensation takes back what the
run wrote, in reverse order.

{recovery}

## Every step

{table}
"""


def page(workflow: Workflow) -> str:
    """The document of a workflow."""
    legend = ", ".join(f"{COLOURS[area][0]} is {name}" for area, name in SYSTEMS.items())
    return PAGE.format(
        title=workflow.definition["Comment"],
        name=workflow.name,
        command=COMMAND,
        legend=legend,
        forward=_diagram(_forward(workflow)),
        recovery=_diagram(_recovery(workflow)),
        table="\n".join(_table(workflow)),
    )


def taken_back_by(workflow: Workflow) -> dict[str, str]:
    """The step that writes → the state that takes its write back, by the ledger's own keys."""
    undoing = {
        function.takes_back: name
        for name in workflow.compensation
        if (function := _function(workflow, name)) and function.takes_back
    }
    return {
        name: undoing[function.writes]
        for name in workflow.forward
        if (function := _function(workflow, name)) and function.writes in undoing
    }


def _forward(workflow: Workflow) -> Iterator[str]:
    for name in workflow.forward:
        yield _node(workflow, name)
    for name in workflow.forward:
        yield from map(_arrow, workflow.transitions(name))
    undoing = taken_back_by(workflow)
    for write, undo in undoing.items():
        yield _node(workflow, undo)
        yield f"{write} -.- {undo}"
    for above, below in pairwise(undoing.values()):
        # An invisible link, which keeps them in a column of their own.
        yield f"{above} ~~~ {below}"


def _recovery(workflow: Workflow) -> Iterator[str]:
    yield f'FailedStep(["{FAILED_STEP}"]):::own'
    yield "FailedStep -->|fails| StepFailed"
    states = (*RECOVERY, *workflow.compensation)
    for name in states:
        yield _node(workflow, name)
    shown: dict[str, None] = {}
    for name in states:
        for transition in _recovery_transitions(workflow, name):
            if transition.target not in (*states, "FailedStep"):
                shown[_node(workflow, transition.target)] = None
            shown[_arrow(transition)] = None
    yield from shown


def _recovery_transitions(workflow: Workflow, name: str) -> Iterator[Transition]:
    """A catch is drawn where it is not the one that all steps have; `Resume`'s rule for each
    failed step is one arrow."""
    for caught in workflow.states[name].get("Catch", []):
        if caught["Next"] != "StepFailed":
            yield Transition(name, caught["Next"], ", ".join(caught["ErrorEquals"]))
    for transition in workflow.transitions(name):
        if transition.condition == f"{{% $failed.step = '{transition.target}' %}}":
            yield Transition(name, "FailedStep", "again")
        else:
            yield transition


def _table(workflow: Workflow) -> Iterator[str]:
    routing = Routing.load(ROUTING)
    undoing = taken_back_by(workflow)
    yield "| step | function | taken back by | a team may |"
    yield "| --- | --- | --- | --- |"
    for name in (*workflow.forward, *workflow.compensation):
        if not workflow.can_fail(name):
            continue
        functions = ", ".join(f"`{function.name}`" for function in _functions(workflow, name))
        runs = functions or "publishes an event"
        undone = f"`{undoing[name]}`" if name in undoing else ""
        yield f"| `{name}` | {runs} | {undone} | {', '.join(routing.actions_for(name))} |"


def _diagram(lines: Iterator[str]) -> str:
    styles = [
        f"classDef {name} fill:{fill},stroke:{border},color:{text}"
        for name, (_, fill, border, text) in COLOURS.items()
    ]
    body = "\n".join(f"    {line}" for line in (*styles, *lines))
    return f"```mermaid\nflowchart TD\n{body}\n```"


def _node(workflow: Workflow, name: str) -> str:
    function = _function(workflow, name)
    area = function.area if function and function.area in SYSTEMS else "own"
    label = "<br/>".join([name, *(function.name for function in _functions(workflow, name))])
    opening, closing = {
        "Choice": ("{", "}"),
        "Succeed": ("([", "])"),
        "Map": ("[[", "]]"),
        "Parallel": ("[[", "]]"),
        "Wait": ("(", ")"),
    }.get(workflow.states[name]["Type"], ("[", "]"))
    return f'{name}{opening}"{label}"{closing}:::{area}'


def _arrow(transition: Transition) -> str:
    label = f'|"{transition.label}"|' if transition.label else ""
    return f"{transition.source} -->{label} {transition.target}"


def _function(workflow: Workflow, name: str) -> Function | None:
    return functions().get(workflow.function(name) or "")


def _functions(workflow: Workflow, name: str) -> list[Function]:
    """What a state runs: one function, or several side by side."""
    if branches := workflow.branches(name):
        return [
            function
            for each in branches
            for inner in each.states
            if (function := _function(each, inner))
        ]
    function = _function(workflow, name)
    return [function] if function else []


def main() -> None:
    """Write every workflow's document."""
    for workflow in workflows():
        path = DOCUMENTS / f"{workflow.name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(page(workflow))
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
