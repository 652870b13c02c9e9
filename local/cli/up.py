"""`interlock up`: keep the local cloud running for the other commands and tools."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.text import Text

from local.cli.errors import Failure
from local.cli.local_state import LocalState, running
from local.cli.logs import LogPrinter
from local.cli.output import console, facts
from local.cli.starting import environment
from local.cloud.names import REGION
from local.environment import STACK, LocalEnvironment
from local.sandboxes.salesforce_seed import DEALS, close_won

EVENTS = "events/partner/salesforce.OpportunityChangeEvent"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of AWS; a free one if 0.")
@click.option("--logs", is_flag=True, help="Print what the functions log.")
def up(port: int, logs: bool) -> None:
    """Keep the whole application running on this machine until Ctrl-C.

    The real template in a local cloud, a real ERP, and sandboxes of Salesforce, Stripe and
    Zendesk. The deals of the samples are won already, so that an event of theirs has something to
    point at. The other commands find it by .interlock/local.json.

    Nothing is kept: the next one starts anew. INTERLOCK_LOCAL names another file than
    .interlock/local.json, for several side by side.
    """
    other = running()
    if other:
        raise Failure(
            f"a local cloud is already running at {other.endpoint} (process {other.pid}): end it"
            " first, or name another file in INTERLOCK_LOCAL"
        )
    _require_free(port)
    printer = LogPrinter(console()) if logs else None
    try:
        with _ended_by_sigterm(), environment(console(), port=port, on_log=printer) as local:
            win_deals(local)
            with _state(local).published():
                _explain(local)
                if printer:
                    printer.names = {each.name: each.logical_id for each in local.cloud.functions}
                signal.pause()
    except KeyboardInterrupt:
        console().print("Ended.")


def win_deals(local: LocalEnvironment) -> None:
    """The deals are won in the CRM; their events are left to `interlock send`."""
    publish, local.organization.on_change = local.organization.on_change, None
    for deal in DEALS:
        close_won(local.organization, deal.record_id)
    local.organization.on_change = publish


def _require_free(port: int) -> None:
    """Raises Failure for a port that something listens on."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        reason = os.strerror(error.errno)
        raise Failure(f"port {port} cannot be used ({reason}): choose another") from None


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the program as Ctrl-C does; while it ends, neither disturbs."""

    def end(number: int, frame: Any) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {name: signal.signal(name, end) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _state(local: LocalEnvironment) -> LocalState:
    return LocalState(
        endpoint=local.cloud.url,
        region=REGION,
        stack=STACK,
        pid=os.getpid(),
        systems=local.addresses,
    )


def _explain(local: LocalEnvironment) -> None:
    out = console()
    addresses = facts()
    for name, url in local.addresses.items():
        addresses.add_row(name, Text(url, style="cyan"))
    out.print("\nInterlock is running; Ctrl-C ends it.\n", style="bold")
    out.print(addresses)
    out.print("\nIn another terminal")
    for deal, suffix in zip(DEALS, ("", ".eur", ".jpy"), strict=True):
        out.print(f"  interlock send {EVENTS}{suffix}.json", style="cyan", end="")
        out.print(f"  # {deal.accounts[0].name}", style="dim", soft_wrap=True)
    out.print("  interlock runs", style="cyan")
    out.print("\nOther tools (aws, boto3, sam)")
    variables = {
        "AWS_ENDPOINT_URL": local.cloud.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "INTERLOCK_STACK": STACK,
    }
    exports = " ".join(f"{name}={value}" for name, value in variables.items())
    out.print(f"  export {exports}\n", style="cyan", soft_wrap=True)
