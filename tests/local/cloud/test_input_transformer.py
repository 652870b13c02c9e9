"""Targets receive what an input transformer makes of an event."""

import json
from types import SimpleNamespace

import pytest

from local.cloud.input_transformer import target_input

RULE = SimpleNamespace(arn="arn:rule", name="rule")
EVENT = {
    "id": "1",
    "source": "example",
    "time": "2026-01-01T00:00:00Z",
    "detail": {"name": 'a "q"', "count": 3, "lines": [{"sku": "x"}, {"sku": "y"}]},
}
PATHS = {
    "name": "$.detail.name",
    "count": "$.detail.count",
    "sku": "$.detail.lines[1].sku",
    "none": "$.detail.none",
    "lines": "$.detail.lines",
}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ('{"a": <name>}', {"a": 'a "q"'}),
        ('{"a": "x-<name>"}', {"a": 'x-a "q"'}),
        ('{"a": <count>, "b": "<count>"}', {"a": 3, "b": "3"}),
        ('{"a": <sku>, "b": <lines>}', {"a": "y", "b": [{"sku": "x"}, {"sku": "y"}]}),
        ('{"a": <none>}', {"a": None}),
        ('"<name> of <aws.events.rule-name>"', 'a "q" of rule'),
        ('{"rule": "<aws.events.rule-arn>"}', {"rule": "arn:rule"}),
        ('{"e": <aws.events.event.json>}', {"e": EVENT}),
        ('{"e": <aws.events.event>}', {"e": {k: EVENT[k] for k in ("id", "source", "time")}}),
        ('{"t": "<aws.events.event.ingestion-time>"}', {"t": "2026-01-01T00:00:00Z"}),
        ('{"a": "<unknown>"}', {"a": "<unknown>"}),
    ],
)
def test_template(template, result):
    target = {"InputTransformer": {"InputPathsMap": PATHS, "InputTemplate": template}}
    assert json.loads(target_input(target, EVENT, RULE)) == result


def test_other_inputs():
    assert target_input({"Input": '{"fixed": 1}'}, EVENT, RULE) == '{"fixed": 1}'
    assert json.loads(target_input({"InputPath": "$.detail.count"}, EVENT, RULE)) == 3
    assert json.loads(target_input({}, EVENT, RULE)) == EVENT
