"""Reading the JSON files that commands are given."""

from __future__ import annotations

import json
from typing import Any, TextIO

from local.cli.errors import Failure


def read_object(file: TextIO) -> dict[str, Any]:
    """The JSON object in a file. Raises Failure that says where it is wrong."""
    try:
        content = json.load(file)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Failure(f"{file.name} is not JSON: {error.msg} ({where})") from None
    except UnicodeDecodeError:
        raise Failure(f"{file.name} is not JSON: it is not UTF-8 text") from None
    if not isinstance(content, dict):
        raise Failure(f"{file.name} holds no JSON object")
    return content
