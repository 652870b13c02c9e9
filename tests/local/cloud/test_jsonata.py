"""Expressions have the values they have in Step Functions."""

import pytest
from jsonata.jexception import JException

from local.cloud.jsonata import Undefined, evaluate

STATES = {"input": {"n": None, "lines": [{"price": 2}, {"price": 3}], "text": 'a "q"'}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$states.input.n", None),
        ("$exists($states.input.n)", True),
        ("$exists($states.input.m)", False),
        ("$sum($states.input.lines.price)", 5),
        ("[$states.input.lines[0].price]", [2]),
        ("$states.input.text & $name", 'a "q"x'),
        ("$partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("$range(0, 6, 3)", [0, 3, 6]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$hash('a', 'MD5')", "0cc175b9c0f1b6a831c399e269772661"),
        ("$parse('[1, {\"a\": null}]')", [1, {"a": None}]),
        ("$random(7) = $random(7)", True),
        ("$length($uuid())", 36),
    ],
)
def test_value(expression, value):
    assert evaluate(expression, {"states": STATES, "name": "x"}) == value


@pytest.mark.parametrize("expression", ["$states.input.m", "$unknown", "$states.input.lines.cost"])
def test_undefined(expression):
    with pytest.raises(Undefined):
        evaluate(expression, {"states": STATES})


@pytest.mark.parametrize(
    "expression",
    ["$eval('1')", "$range(1, 10, 0)", "$range(1, 5000, 1)", "$partition([1], 0)", "1 + 'a'"],
)
def test_error(expression):
    with pytest.raises((ValueError, JException)):
        evaluate(expression, {"states": STATES})
