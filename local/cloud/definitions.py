"""Finds the mistakes in a JSONata state machine that no other check sees.

moto's parser knows the language's grammar. This adds what neither it nor cfn-lint looks at:
dangling and unreachable states, expressions that do not parse, and variables that do not exist.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jsonata import Jsonata
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from local.cloud.jsonata import FUNCTIONS

KNOWN_FUNCTIONS = (set(Jsonata.static_frame.bindings) | set(FUNCTIONS)) - {"eval"}

RESULT_STATES = ("Map", "Parallel", "Task")
"""State types that have a result."""

AFTER_THE_RESULT = re.compile(r"\.(Assign|Output)\b")
"""Where in a state its result can be used."""

OF_EACH_ITEM = ("group", "predicate", "stages")
"""Parts of a JSONata node where `$` is the current item."""

INNER_MACHINES = ("Branches", "ItemProcessor")


@dataclass
class Names:
    """What an expression refers to: variables, fields of $states (None: the whole of it)."""

    variables: set[str] = field(default_factory=set)
    states_fields: set[str | None] = field(default_factory=set)
    context_root: bool = False


def check(definition: dict[str, Any]) -> list[str]:
    """The mistakes in a definition, each with where it is; empty if there is none."""
    try:
        AmazonStateLanguageParser.parse(json.dumps(definition))
    except Exception as error:  # moto raises many kinds, all of which mean a mistake.
        return [f"not a state machine: {error!r}"]
    return list(_machine_mistakes(definition, "", frozenset()))


def _machine_mistakes(machine: dict[str, Any], where: str, outer: frozenset[str]) -> Iterator[str]:
    states = machine["States"]
    variables = outer | {
        name
        for state in states.values()
        for part in _parts(state)
        for name in part.get("Assign", ())
    }
    start = machine["StartAt"]
    if start not in states:
        yield f"{where}StartAt: '{start}' is no state"
    for name in sorted(set(states) - _reachable(states, start)):
        yield f"{where}{name}: no way to this state"
    for name, state in states.items():
        place = f"{where}{name}"
        yield from _flow_mistakes(state, place, states)
        yield from _expression_mistakes(state, place, variables)
        for index, branch in enumerate(state.get("Branches", [])):
            yield from _machine_mistakes(branch, f"{place}[{index}].", variables)
        if processor := state.get("ItemProcessor"):
            # https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
            distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
            known = frozenset() if distributed else variables
            yield from _machine_mistakes(processor, f"{place}.", known)


def _parts(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The state itself, its catchers and its choices: what may assign and lead on."""
    return [state, *state.get("Catch", []), *state.get("Choices", [])]


def _targets(state: dict[str, Any]) -> list[str]:
    following = [part["Next"] for part in _parts(state) if "Next" in part]
    return following + ([state["Default"]] if "Default" in state else [])


def _reachable(states: dict[str, Any], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found and name in states:
            found.add(name)
            waiting += _targets(states[name])
    return found


def _flow_mistakes(state: dict[str, Any], place: str, states: dict[str, Any]) -> Iterator[str]:
    for target in _targets(state):
        if target not in states:
            yield f"{place}: Next '{target}' is no state here"
    ends = state["Type"] in ("Choice", "Fail", "Succeed")
    if not ends and bool(state.get("End")) == ("Next" in state):
        yield f"{place}: needs exactly one of Next and End"
    for kind in ("Catch", "Retry"):
        rules = state.get(kind, [])
        for rule in rules[:-1]:
            if "States.ALL" in rule["ErrorEquals"]:
                yield f"{place}: States.ALL must come last in {kind}"


def _expression_mistakes(
    state: dict[str, Any], place: str, variables: frozenset[str]
) -> Iterator[str]:
    own = {name: value for name, value in state.items() if name not in INNER_MACHINES}
    for path, text in _texts(own, ""):
        if text.startswith("{%") != text.endswith("%}"):
            yield f"{place}{path}: unbalanced {{% %}}"
        if not (text.startswith("{%") and text.endswith("%}")):
            continue
        try:
            tree = Jsonata(text[2:-2]).ast
        except Exception as error:  # jsonata-python raises its own and Python's exceptions.
            yield f"{place}{path}: {error}"
            continue
        names = Names()
        _collect(tree, frozenset(), False, names)
        if names.context_root:
            yield f"{place}{path}: $ and $$ have no value at the top of an expression"
        for name in sorted(names.variables - variables - KNOWN_FUNCTIONS):
            yield f"{place}{path}: ${name} is unknown"
        allowed = _states_fields(state, path)
        for name in sorted(str(name) for name in names.states_fields if name not in allowed):
            yield f"{place}{path}: $states.{name} is not available here"


def _states_fields(state: dict[str, Any], path: str) -> set[str | None]:
    """The fields of $states at a place in a state.

    https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
    """
    fields: set[str | None] = {"input", "context", None}
    if path.startswith(".Catch"):
        fields.add("errorOutput")
    elif state["Type"] in RESULT_STATES and AFTER_THE_RESULT.match(path):
        fields.add("result")
    return fields


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text within a value, with its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(part, f"{path}.{name}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value


def _collect(node: Any, bound: frozenset[str], in_path: bool, names: Names) -> None:
    """Add what a node of a JSONata tree refers to; `bound` are the names of its own scope, and
    within a path `$` is the current item."""
    if isinstance(node, list | tuple):
        for part in node:
            _collect(part, bound, in_path, names)
        return
    kind = getattr(node, "type", None)
    if kind is None:
        return
    if kind == "lambda":
        bound = bound | {argument.value for argument in node.arguments or []}
    elif kind == "block":
        bound = bound | {
            expression.lhs.value for expression in node.expressions if expression.type == "bind"
        }
    elif kind == "variable":
        _collect_variable(node.value, bound, in_path, names)
    elif kind == "path":
        _collect_states_field(node.steps, names)
        _collect(node.steps[0], bound, in_path, names)
        _collect(node.steps[1:], bound, True, names)
    for attribute, part in vars(node).items():
        if attribute not in ("_outer_instance", "outer_instance", "signature", "steps"):
            _collect(part, bound, in_path or attribute in OF_EACH_ITEM, names)


def _collect_variable(name: str, bound: frozenset[str], in_path: bool, names: Names) -> None:
    if name in ("", "$"):
        names.context_root = names.context_root or not in_path
    elif name != "states" and name not in bound:
        names.variables.add(name)


def _collect_states_field(steps: Any, names: Names) -> None:
    first = steps[0]
    if first.type == "variable" and first.value == "states":
        names.states_fields.add(str(steps[1].value) if len(steps) > 1 else None)
