"""What EventBridge sends to a target instead of the event.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

import json
import re
from typing import Any

VARIABLE = re.compile(r"<([\w.\-]+)>")


def target_input(target: dict[str, Any], event: dict[str, Any], rule: Any) -> str:
    """The text a target receives for an event."""
    if "Input" in target:
        return target["Input"]
    if "InputPath" in target:
        return json.dumps(value_at(target["InputPath"], event))
    if "InputTransformer" in target:
        return transform(target["InputTransformer"], event, rule)
    return json.dumps(event)


def value_at(path: str, event: dict[str, Any]) -> Any:
    """The value at a JSON path of names and array indices; None if there is none."""
    value: Any = event
    for part in re.findall(r"[^.\[\]]+", path.removeprefix("$")):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def transform(transformer: dict[str, Any], event: dict[str, Any], rule: Any) -> str:
    """Fill the template in: a variable between quotes becomes text, another one becomes JSON."""
    template = transformer["InputTemplate"]
    values = {
        name: value_at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()
    }
    values |= {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event": {name: part for name, part in event.items() if name != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
    }

    def fill_in(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            return match[0]
        encoded = json.dumps(values[name])
        if not is_quoted(template, match.start()):
            return encoded
        if name.startswith("aws.events.event"):
            # AWS does not escape these: between quotes they break the JSON, here as there.
            return encoded.strip('"')
        text = values[name] if isinstance(values[name], str) else encoded
        return json.dumps(text)[1:-1]

    return VARIABLE.sub(fill_in, template)


def is_quoted(template: str, position: int) -> bool:
    """Whether a position of the template lies inside a JSON text."""
    return template[:position].replace('\\"', "").count('"') % 2 == 1
