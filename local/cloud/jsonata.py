"""JSONata as Step Functions evaluates it.

https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import copy
import functools
import hashlib
import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from jsonata import Jsonata
from jsonata.timebox import Timebox
from jsonata.utils import Utils

from local.cloud.clock import clock
from local.cloud.corrections import Corrections

HASH_ALGORITHMS = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
RANGE_LIMIT = 1000

chance: Callable[[], float] = random.random
"""Where $random() without a seed of its own comes from."""


class Undefined(Exception):
    """An expression returned nothing."""


def partition(array: Any, size: float) -> list[list[Any]]:
    if int(size) < 1:
        raise ValueError("$partition: size must be a positive integer")
    items = array if isinstance(array, list) else [array]
    return [items[start : start + int(size)] for start in range(0, len(items), int(size))]


def range_of(first: float, last: float, step: float) -> list[float]:
    if step == 0:
        raise ValueError("$range: step must not be 0")
    count = max(0, int((last - first) // step) + 1)
    if count > RANGE_LIMIT:
        raise ValueError(f"$range: more than {RANGE_LIMIT} items")
    return [first + index * step for index in range(count)]


def hash_of(text: str, algorithm: str = "SHA-256") -> str:
    return hashlib.new(HASH_ALGORITHMS[algorithm], text.encode()).hexdigest()


def random_number(seed: float | None = None) -> float:
    return chance() if seed is None else random.Random(seed).random()


def new_uuid() -> str:
    return str(uuid.uuid4())


def refuse_eval(*arguments: Any) -> None:
    raise ValueError("$eval is not supported by Step Functions; use $parse")


class StatesFunction(Jsonata.JFunction):
    """A function Step Functions adds to JSONata (or takes away)."""

    def __init__(self, name: str, function: Callable[..., Any], signature: str) -> None:
        super().__init__(self, signature)
        self.function_name = name
        self.function = function

    def call(self, input: Any, args: list[Any] | None) -> Any:
        arguments = list(args or [])
        while arguments and arguments[-1] is None:
            arguments.pop()
        return self.function(*arguments)

    def get_number_of_args(self) -> int:
        return 0


FUNCTIONS = {
    function.function_name: function
    for function in (
        StatesFunction("eval", refuse_eval, "<sx?:x>"),
        StatesFunction("hash", hash_of, "<ss?:s>"),
        StatesFunction("parse", json.loads, "<s:x>"),
        StatesFunction("partition", partition, "<an:a>"),
        StatesFunction("random", random_number, "<n?:n>"),
        StatesFunction("range", range_of, "<nnn:a>"),
        StatesFunction("uuid", new_uuid, "<:s>"),
    )
}


@functools.lru_cache(4096)
def _parsed(expression: str) -> Jsonata:
    parsed = Jsonata(expression)
    parsed.set_output_convert_nulls(False)
    for name, function in FUNCTIONS.items():
        parsed.register_function(name, function)
    return parsed


def evaluate(expression: str, bindings: dict[str, Any]) -> Any:
    """The JSON value of an expression; Undefined if it has none."""
    prepared = copy.copy(_parsed(expression))
    # $now() and $millis() read the instance of the current thread.
    Jsonata.CURRENT.jsonata = prepared
    result = prepared.evaluate(None, bindings)
    if result is None:
        raise Undefined(f"The JSONata expression '{expression}' returned nothing (undefined).")
    return json.loads(json.dumps(Utils.convert_nulls(result)))


def follow_the_clock(corrections: Corrections) -> None:
    """$now() and $millis() give the real time."""
    milliseconds = staticmethod(lambda: int(clock.now() * 1000))
    corrections.replace(Timebox, "current_milli_time", milliseconds)
