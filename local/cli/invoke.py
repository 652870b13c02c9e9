"""`interlock invoke`: one function, as a real process behind AWS's runtime client, or in AWS."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TextIO

import click

from local.cli import functions as deployed
from local.cli.errors import Failure
from local.cli.files import read_object
from local.cli.logs import LogPrinter
from local.cli.output import console, print_json
from local.cli.target import Target, pass_target
from local.project import functions


@click.command()
@click.argument("function")
@click.option(
    "-e", "--event", type=click.File(encoding="utf-8"), required=True, metavar="EVENT.json",
    help="The event, as in events/<area>/<operation>.json; - reads standard input.",
)  # fmt: skip
@pass_target
def invoke(target: Target, function: str, event: TextIO) -> None:
    """Invoke one function and print its result.

    FUNCTION is its folder, such as erp/create_order, or its logical id in template.yaml. The tail
    of its log goes to standard error. A function that fails is exit code 1.

    On the local cloud it runs in a process of its own, under its own role. The same event file
    goes to `sam local invoke -e EVENT.json LOGICAL_ID`.
    """
    name = logical_id(function)
    answer = deployed.invoke(target, name, read_object(event))
    log = LogPrinter(console(stderr=True))
    for line in answer.log.rstrip().split("\n"):
        log(name, "", line)
    if answer.failed:
        raise Failure(answer.error)
    print_json(answer.payload)


def logical_id(function: str) -> str:
    """The logical id of a function that is named either way. Raises Failure."""
    by_folder = {each.name: each.logical_id for each in functions().values()}
    if function in functions():
        return function
    name = "/".join(function.strip("/").split("/")[-2:])
    if name in by_folder:
        return by_folder[name]
    close = get_close_matches(name, [*by_folder, *functions()], n=3)
    meant = f"did you mean {' or '.join(close)}?" if close else "see the folders of functions/"
    raise Failure(f"there is no function {function!r}: {meant}")
