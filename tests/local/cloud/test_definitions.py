"""The check of definitions finds each mistake planted in a correct one."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cloud.definitions import check

DEFINITION = yaml.safe_load(
    (Path(__file__).parent / "stack/statemachines/process.asl.yaml").read_text()
)

Plant = Callable[[dict[str, Any]], object]


def states(definition: dict[str, Any]) -> dict[str, Any]:
    return definition["States"]


def inner(definition: dict[str, Any]) -> dict[str, Any]:
    return definition["States"]["Each"]["ItemProcessor"]["States"]["Double"]


def test_correct_definition_has_no_mistake():
    assert check(DEFINITION) == []


MISTAKES: dict[str, tuple[str, Plant]] = {
    "dangling next": ("is no state", lambda d: states(d)["Prepare"].update(Next="Gone")),
    "dangling catch": ("is no state", lambda d: states(d)["Task"]["Catch"][0].update(Next="Gone")),
    "dangling choice": (
        "is no state",
        lambda d: states(d)["Choose"]["Choices"][0].update(Next="Gone"),
    ),
    "dangling default": ("is no state", lambda d: states(d)["Choose"].update(Default="Gone")),
    "dangling start": ("is no state", lambda d: d.update(StartAt="Gone")),
    "unreachable": (
        "no way to this state",
        lambda d: states(d).update(Lonely={"Type": "Succeed"}),
    ),
    "loop out of reach": (
        "A: no way to this state",
        lambda d: states(d).update(
            A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"}
        ),
    ),
    "neither next nor end": ("", lambda d: states(d)["Publish"].pop("End")),
    "both next and end": ("", lambda d: states(d)["Publish"].update(Next="Done")),
    "unknown type": ("not a state machine", lambda d: states(d)["Done"].update(Type="Stop")),
    "unknown field": ("not a state machine", lambda d: states(d)["Done"].update(Outputs={})),
    "field of the other query language": (
        "not a state machine",
        lambda d: states(d)["Task"].update(ResultPath="$.x"),
    ),
    "expression does not parse": (
        "Prepare.Assign.order",
        lambda d: states(d)["Prepare"]["Assign"].update(order="{% $states.input. %}"),
    ),
    "unclosed expression": (
        "unbalanced",
        lambda d: states(d)["Prepare"]["Assign"].update(order="{% $states.input }"),
    ),
    "unknown variable": (
        "$oder is unknown",
        lambda d: states(d)["Each"].update(Items="{% $oder.lines %}"),
    ),
    "unknown function": (
        "$summ is unknown",
        lambda d: states(d)["Publish"]["Output"].update(total="{% $summ($doubled) %}"),
    ),
    "unknown variable in an inner state": (
        "Each.Double.Output: $dubled is unknown",
        lambda d: inner(d).update(Output="{% $dubled %}"),
    ),
    "variable of an inner state used outside": (
        "$secret is unknown",
        lambda d: (
            inner(d).update(Assign={"secret": 1}),
            states(d)["Publish"]["Output"].update(total="{% $secret %}"),
        ),
    ),
    "eval": (
        "$eval is unknown",
        lambda d: states(d)["Undefined"].update(Output="{% $eval('1') %}"),
    ),
    "result before there is one": (
        "$states.result is not available",
        lambda d: states(d)["Task"]["Arguments"].update(Payload="{% $states.result %}"),
    ),
    "result of a state without one": (
        "$states.result is not available",
        lambda d: states(d)["Undefined"].update(Output="{% $states.result %}"),
    ),
    "result in a catcher": (
        "$states.result is not available",
        lambda d: states(d)["Task"]["Catch"][0]["Assign"].update(error="{% $states.result %}"),
    ),
    "error output outside a catcher": (
        "$states.errorOutput is not available",
        lambda d: states(d)["Task"].update(Output="{% $states.errorOutput %}"),
    ),
    "root of the input": (
        "have no value",
        lambda d: states(d)["Undefined"].update(Output="{% $.nothing %}"),
    ),
    "States.ALL before another retrier": (
        "must come last",
        lambda d: states(d)["Task"]["Retry"].insert(0, {"ErrorEquals": ["States.ALL"]}),
    ),
    "States.ALL before another catcher": (
        "must come last",
        lambda d: states(d)["Task"]["Catch"].append({"ErrorEquals": ["X"], "Next": "Caught"}),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_found(name):
    expected, plant = MISTAKES[name]
    definition = copy.deepcopy(DEFINITION)
    plant(definition)
    assert definition != DEFINITION
    mistakes = check(definition)
    assert mistakes
    assert any(expected in mistake for mistake in mistakes), mistakes


@pytest.mark.parametrize(
    "expression",
    [
        "$map($states.input.lines, function($line) { $line.price * 2 })",
        "($total := $sum($states.input.lines.price); $total > 3 ? 'much' : 'little')",
        "$states.input.lines[price > 3].{'name': name, 'all': $}",
        "$merge([$states.input, {'at': $now()}])",
        "$states.input.lines ~> $count",
    ],
)
def test_correct_expression(expression):
    definition = copy.deepcopy(DEFINITION)
    states(definition)["Undefined"]["Output"] = f"{{% {expression} %}}"
    assert check(definition) == []
