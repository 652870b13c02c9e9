"""Each definition is sound, and agrees with the errors, the template, the routes and the ledger."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from cfnlint import api as cfnlint
from cfnlint.config import ManualArgs
from interlock import errors
from interlock.canonical import Command
from interlock.rules.routing import Routing

from local.cloud import definitions
from local.pictures import ROUTING, taken_back_by
from local.project import functions, state_machines, template
from local.workflows import RECOVERY, Workflow, workflows
from tests.infrastructure import handlers
from tests.infrastructure.stack import Stack, named

# How long people have: an hour at least, by the validation of the terms. And how long a renewal
# waits until it is time for something: a minute at least, which ends the wait and no step.
DECIDED_BY_POLICY = (
    "{% $records.terms.approval.hours * 3600 %}",
    "{% $records.terms.renewal.discounts.hours * 3600 %}",
    "{% $records.decision.seconds %}",
)

TAKEN_BACK_WITH_ANOTHER = {
    # Its port says that the document's reversal undoes it alike.
    "ScheduleServicePeriods",
    "ApplyCustomerCredit",
    # Billing charges what a contract says: it is told the contract again, once that is changed
    # back; or its subscription is cancelled.
    "AmendSubscription",
    "CancelAtPeriodEnd",
    # A quote is on a deal that is closed.
    "QuoteOpportunity",
}

# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
# https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
AWS_ERRORS = {
    "States.ALL",
    "States.Timeout",
    "States.QueryEvaluationError",
    "Lambda.Unknown",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "EventBridge.FailedEntry",
    "EventBridge.SdkClientException",
}
# Nothing was applied, or the effect ledger looks before it writes again.
TRANSIENT_AWS_ERRORS = AWS_ERRORS - {"States.ALL", "States.QueryEvaluationError"}

ERROR_LIST = re.compile(r"\.Error in \[(.*?)\]", re.DOTALL)
SUBSTITUTION = re.compile(r"\$\{(\w+)}")
QUOTED_SUBSTITUTION = re.compile(r'"[^"\n]*\$\{\w+}[^"\n]*"')


def test_each_definition_is_a_state_machine_of_the_template(workflow: Workflow) -> None:
    assert workflow.name in state_machines()


def test_the_definition_has_no_mistake(workflow: Workflow) -> None:
    """No dangling or unreachable state, no bad expression, no unknown variable."""
    assert definitions.check(workflow.definition) == []


def test_the_native_definition_passes_cfn_lint(workflow: Workflow, stack: Stack) -> None:
    """`sam validate` does not look into a definition's file; E3601 does, once it is inside."""
    native = stack.properties(state_machines()[workflow.name])
    # Its schema does not know that a time may be an expression where the language is JSONata:
    # https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
    text = json.dumps(workflow.definition)
    for seconds in DECIDED_BY_POLICY:
        text = text.replace(json.dumps(seconds), "3600")
    definition = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": "arn:aws:iam::123456789012:role/states",
            "DefinitionString": text,
            "DefinitionSubstitutions": {
                name: f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
                for name in native["DefinitionSubstitutions"]
            },
        },
    }
    found = cfnlint.lint(
        json.dumps({"Resources": {"Native": definition}}),
        config=ManualArgs(regions=["us-east-1"]),
    )

    assert [str(match) for match in found] == []


def test_errors_have_names_that_exist(workflow: Workflow) -> None:
    names = set(_values(workflow.definition, "ErrorEquals"))

    assert names <= AWS_ERRORS | _names(errors.InterlockError)


def test_what_is_tried_again_is_what_trying_again_can_mend(workflow: Workflow) -> None:
    waiting, failed, *_ = workflow.states["StepFailed"]["Choices"]
    [listed] = ERROR_LIST.findall(failed["Condition"])
    transient = set(re.findall(r"'([^']+)'", listed)) | {"BudgetExhausted"}

    assert waiting["Condition"] == "{% $failed.error.Error = 'BudgetExhausted' %}"
    assert {waiting["Next"], failed["Next"]} == {"BackOff"}
    assert transient == TRANSIENT_AWS_ERRORS | _names(errors.TransientError)


def test_a_task_has_a_timeout_longer_than_its_functions(workflow: Workflow) -> None:
    for machine in workflow.machines:
        for name in machine.states:
            task = machine.task(name)
            if task is None:
                continue
            seconds = task.get("TimeoutSeconds")
            assert seconds, name
            if seconds in DECIDED_BY_POLICY:
                continue
            if function := machine.function(name):
                assert seconds > functions()[function].properties["Timeout"], name


def test_every_failure_goes_to_the_one_owner_of_retries(workflow: Workflow) -> None:
    """No step retries by itself, so attempts are counted in one place; the wait for a team is no
    step, and no failure is the end of a wait that something else may end."""
    for name in filter(workflow.can_fail, workflow.states):
        *ends, catch = workflow.states[name]["Catch"]
        for end in ends:
            assert "waitForTaskToken" in workflow.states[name]["Resource"], name
            assert end["ErrorEquals"] == ["States.Timeout"], name
        assert catch["ErrorEquals"] == ["States.ALL"], name
        assert catch["Next"] == "StepFailed", name
        assert set(catch["Assign"]) == {"failed"}, name
        assert not list(_values(workflow.states[name], "Retry")), name


def test_an_item_that_fails_leaves_the_decision_to_the_run(workflow: Workflow) -> None:
    """It ends with its error, so that the others go on and attempts are counted in one place; or
    with nothing, where the run goes on without it."""
    _, *inner = workflow.machines
    for machine in inner:
        for name in filter(machine.can_fail, machine.states):
            [catch] = machine.states[name]["Catch"]
            assert catch["ErrorEquals"] == ["States.ALL"], name
            assert machine.states[catch["Next"]]["Type"] == "Succeed", name
            output = machine.states[catch["Next"]].get("Output", catch.get("Output"))
            assert output == {} or "error" in output, name


def test_raising_an_exception_is_retried_with_jitter(workflow: Workflow) -> None:
    for retry in workflow.states["AwaitRemediation"]["Retry"]:
        if retry["MaxAttempts"]:
            assert retry["JitterStrategy"] == "FULL"
            assert retry["MaxDelaySeconds"]


def test_a_run_resumes_at_whichever_step_failed(workflow: Workflow) -> None:
    resumed = [
        rule["Next"]
        for rule in workflow.states["Resume"]["Choices"]
        if rule["Condition"] == f"{{% $failed.step = '{rule['Next']}' %}}"
    ]

    assert sorted(resumed) == sorted(filter(workflow.can_fail, workflow.states))


def test_every_state_is_forward_compensation_or_recovery(workflow: Workflow) -> None:
    parts = {*workflow.forward, *workflow.compensation, *RECOVERY}

    assert sorted(parts) == sorted(workflow.states)


def test_every_write_is_taken_back_in_reverse_order(workflow: Workflow) -> None:
    """A write and its compensation share the ledger's key; the handlers say which it is.

    A team is offered to compensate a step whose write is taken back, alone or with another.
    """
    routing = Routing.load(ROUTING)
    writes = [
        name
        for name in workflow.forward
        if _effect(workflow, name, "writes")
        and "compensate" in routing.actions_for(name)
        and name not in TAKEN_BACK_WITH_ANOTHER
    ]
    undoing = [name for name in workflow.compensation if _effect(workflow, name, "takes_back")]
    pairs = taken_back_by(workflow)

    assert writes or not workflow.compensation
    assert list(pairs) == writes, "a write without a compensation"
    assert undoing == [pairs[name] for name in reversed(writes)]


def test_a_step_passes_what_its_function_takes(workflow: Workflow) -> None:
    for machine in workflow.machines:
        for name in filter(machine.function, machine.states):
            payload = _payload(machine, name)
            function = functions()[machine.function(name)]
            command = handlers.command_type(function)
            required = {field for field, info in command.model_fields.items() if info.is_required()}
            if issubclass(command, Command):
                required.add("dry_run")  # or it would write in a dry run
            if issubclass(command, Command) and machine is workflow:
                required.add("remediation")  # a team's skip or link reaches the step by it
            assert required <= payload <= set(command.model_fields), name


def test_a_step_belongs_to_the_transaction_of_the_event(workflow: Workflow) -> None:
    """Not to the execution, which is called otherwise when it is a replay. What another workflow is
    asked for is a transaction of its own."""
    assign = workflow.states["ReceiveEvent"]["Assign"]

    assert assign["correlation_id"] == "{% $states.input.correlation_id %}"
    assert _told(workflow, "correlation_id") == {"{% $correlation_id %}"}


def test_every_step_is_told_whether_it_is_a_dry_run(workflow: Workflow) -> None:
    assign = workflow.states["ReceiveEvent"]["Assign"]["dry_run"]

    assert assign == (
        "{% $states.input.replay.dry_run = true ? $states.context.Execution.Name : '' %}"
    )
    assert _told(workflow, "dry_run") == {"{% $dry_run %}"}


def test_a_dry_run_publishes_nothing_and_asks_no_team(workflow: Workflow) -> None:
    """Each way to such a state is a choice that a dry run has left before; the other steps write
    through the ledger, which knows what a dry run is."""
    forbidden = {"AwaitRemediation"} | {
        name
        for name, state in workflow.states.items()
        if state["Type"] == "Task" and "lambda:invoke" not in state["Resource"]
    }
    assert len(forbidden) > 1
    for source, state in workflow.states.items():
        if source in forbidden:
            continue
        assert state.get("Next") not in forbidden, source
        rules = state.get("Choices", [])
        ways = [(rule["Condition"], rule["Next"]) for rule in rules] + [("", state.get("Default"))]
        for position, (condition, target) in enumerate(ways):
            if target not in forbidden:
                continue
            before = {rule["Condition"]: rule["Next"] for rule in rules[:position]}
            assert any(
                _leaves_dry(earlier, condition, target)
                for earlier, left_to in before.items()
                if left_to in ("DryRunCompleted", "DryRunFailed")
            ), (source, condition, target)


def _leaves_dry(earlier: str, condition: str, target: str) -> bool:
    """Whether a rule takes every dry run that a later one, for this condition, would take."""
    if condition == f"{{% $failed.step = '{target}' %}}":
        among = "{% $dry_run != '' and $failed.step in ["
        return earlier.startswith(among) and f"'{target}'" in earlier
    return earlier == "{% $dry_run != '' %}"


def test_substitutions_are_quoted_and_known(workflow: Workflow) -> None:
    """An unquoted one could change what the YAML means."""
    lines = [line for line in workflow.text.splitlines() if "${" in line]
    resource = template()["Resources"][state_machines()[workflow.name]]
    substitutions = resource["Properties"]["DefinitionSubstitutions"]

    assert [line for line in lines if not QUOTED_SUBSTITUTION.search(line)] == []
    assert set(SUBSTITUTION.findall(workflow.text)) == set(substitutions)


def test_a_substitution_is_the_resource_of_its_name(workflow: Workflow) -> None:
    resource = template()["Resources"][state_machines()[workflow.name]]
    for name, value in resource["Properties"]["DefinitionSubstitutions"].items():
        assert named(value) == name


def test_routes_name_steps_and_errors_that_exist() -> None:
    routing = Routing.load(ROUTING)
    steps = {
        name for workflow in workflows() for name in filter(workflow.can_fail, workflow.states)
    }
    routed = {step for route in routing.routes for step in route.steps} | set(routing.actions)
    known = AWS_ERRORS | _names(errors.InterlockError)

    assert routed <= steps
    assert {error for route in routing.routes for error in route.errors} <= known


def test_what_a_team_may_decide_fits_the_step(workflow: Workflow) -> None:
    routing = Routing.load(ROUTING)
    for name in filter(workflow.can_fail, workflow.states):
        actions = set(routing.actions_for(name))
        assert "retry" in actions, name
        if name in workflow.compensation:
            assert "compensate" not in actions, f"{name}: is compensating already"
            assert "link" not in actions, f"{name}: takes back, links nothing"
        if _effect(workflow, name, "writes"):
            assert name in routing.actions, f"{name}: a write; say what a team may decide"


def _effect(workflow: Workflow, name: str, kind: str) -> str | None:
    function = functions().get(workflow.function(name) or "")
    return getattr(function, kind) if function else None


def _payload(workflow: Workflow, name: str) -> set[str]:
    """The names that a state passes to its function."""
    state = workflow.states[name]
    return set(state.get("ItemSelector") or state["Arguments"]["Payload"])


def _names(root: type[Exception]) -> set[str]:
    """The errors of a kind that are raised: those without a subclass."""
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    groups = {base for each in classes for base in each.__bases__}
    return {each.__name__ for each in classes if issubclass(each, root) and each not in groups}


def _told(workflow: Workflow, key: str) -> set[str]:
    """What each state of the run is given, and of its items; the first ones assign it."""
    told: set[str] = set()
    for machine in workflow.machines:
        _, *states = machine.states.values()
        inner = dict.fromkeys(("ItemProcessor", "Branches"))
        told.update(
            _values([{**state, **inner} for state in states if not _starts_another(state)], key)
        )
    return told


def _starts_another(state: dict[str, Any]) -> bool:
    """Whether a state publishes an event that starts a workflow."""
    starting = {
        kind
        for rule in template()["Resources"].values()
        if rule["Type"] == "AWS::Events::Rule" and "StartQueue" in str(rule)
        for kind in rule["Properties"]["EventPattern"]["detail-type"]
    }
    return not starting.isdisjoint(_values(state, "DetailType"))


def _values(value: Any, key: str) -> Iterator[Any]:
    """Every value of a key, of lists their items, at any depth."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == key:
                yield from part if isinstance(part, list) else [part]
            yield from _values(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _values(part, key)
