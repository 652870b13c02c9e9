"""The command line `interlock`, for developers and operators.

On a machine: `interlock demo` shows lead to order from end to end, `interlock demo-billing` a
quarter of subscription billing, `interlock demo-credit` service credits, `interlock up` keeps a
local cloud running for the other commands.
Against an AWS account the other commands work alike: the ordinary AWS environment says which,
--stack or INTERLOCK_STACK the stack.
"""

from __future__ import annotations

from importlib import import_module

import click

from local.cli.errors import Commands

COMMANDS = {
    "demo": "local.cli.demo:demo",
    "demo-billing": "local.cli.demo_billing:demo_billing",
    "demo-credit": "local.cli.demo_credit:demo_credit",
    "demo-renewals": "local.cli.demo_renewals:demo_renewals",
    "up": "local.cli.up:up",
    "send": "local.cli.send:send",
    "runs": "local.cli.runs:runs",
    "invoke": "local.cli.invoke:invoke",
    "exceptions": "local.cli.exceptions:exceptions",
    "resolve": "local.cli.exceptions:resolve",
    "approvals": "local.cli.approvals:approvals",
    "approve": "local.cli.approvals:approve",
    "reject": "local.cli.approvals:reject",
    "audit": "local.cli.audit:audit",
    "contracts": "local.cli.contracts:contracts",
    "service": "local.cli.service:service",
    "sweep": "local.cli.sweep:sweep",
    "reconcile": "local.cli.reconcile:reconcile",
    "terms": "local.cli.terms:terms",
    "replay": "local.cli.replay:replay",
    "dead-letters": "local.cli.dead_letters:dead_letters",
}


class LazyCommands(Commands):
    """Imports a command when it is called: the local cloud's own imports take a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, command = COMMANDS[name].split(":")
        return getattr(import_module(module), command)


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--stack",
    envvar="INTERLOCK_STACK",
    help="The deployed stack to work on; without it the local cloud of `interlock up`.",
)
@click.version_option(package_name="interlock")
@click.pass_context
def interlock(ctx: click.Context, stack: str | None) -> None:
    """Connects CRM, billing and support systems with ERP: run it, watch it, repair it.

    \b
    interlock demo                    lead to order on this machine, from end to end
    interlock demo-billing            a quarter of a small company, into the ERP's books
    interlock demo-credit             support cases become approved, capped, audited credits
    interlock up                      keep a local cloud running for the commands below
    interlock send events/partner/salesforce.OpportunityChangeEvent.json
    interlock runs                    what happened; `interlock runs ID` for one of them
    interlock exceptions              what waits for a team; `interlock resolve` decides
    interlock approvals               what waits for a person; `approve` and `reject` decide
    interlock audit 4711              who did what about a case's credits, and is it whole?
    interlock contracts               what was signed, and when it ends; with ID, its history
    interlock service ACCOUNT         what a customer is entitled to and why; suspend and resume
    interlock reconcile               billing against the books, to the cent
    interlock terms show              the contract terms that credits are computed by
    interlock replay event ID         what it would write now; then the same event again

    The commands work on the local cloud that `interlock up` keeps running. With the ordinary AWS
    environment (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL) they work on a stack in that account.
    """
    ctx.obj = stack
