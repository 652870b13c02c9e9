"""A state machine's definition as it is deployed: its steps, and which step makes which effect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from interlock.plans import Plan

from local.cli.target import Target
from local.project import Function, functions
from local.workflows import Workflow


@dataclass(frozen=True)
class Definition:
    """One state machine of a stack."""

    target: Target
    workflow: Workflow

    @classmethod
    def read(cls, target: Target, machine_arn: str) -> Self:
        """https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html"""
        states = target.client("stepfunctions")
        machine = states.describe_state_machine(stateMachineArn=machine_arn)
        text = machine["definition"]
        return cls(target, Workflow(machine["name"], text, json.loads(text)))

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The steps that a run can go on from, in order, those of the compensation last."""
        states = (*self.workflow.forward, *self.workflow.compensation)
        return tuple(filter(self.workflow.can_fail, states))

    def takes_back(self, step: str) -> bool:
        """Whether a step is one of the compensation."""
        return step in self.workflow.compensation

    def step_of(self, plan: Plan) -> str:
        """The step that a dry run's plan is of; empty for one that the definition lacks."""
        taken_back = plan.action == "take back"
        effect = f"{self._areas.get(plan.system)}.{plan.operation}"
        for step, function in self._functions.items():
            if effect == (function.takes_back if taken_back else function.writes):
                return step
        return ""

    @cached_property
    def _functions(self) -> dict[str, Function]:
        """The function that each step invokes; its ARN ends with its name."""
        known = {
            resource.physical_id: functions()[resource.logical_id]
            for resource in self.target.of_type("AWS::Lambda::Function")
            if resource.logical_id in functions()
        }
        names = {step: self._function_name(step) for step in self.steps}
        return {step: known[name] for step, name in names.items() if name in known}

    def _function_name(self, step: str) -> str:
        task = self.workflow.task(step) or {}
        return task["Arguments"].get("FunctionName", "").rpartition(":")[2]

    @cached_property
    def _areas(self) -> dict[str, str]:
        """The area of the functions that a connection is for, by the connection's name."""
        ssm = self.target.client("ssm")
        found = {}
        for parameter in self.target.of_type("AWS::SSM::Parameter"):
            if not parameter.logical_id.endswith("Connection"):
                continue
            value = ssm.get_parameter(Name=parameter.physical_id)["Parameter"]["Value"]
            area = parameter.logical_id.removesuffix("Connection").lower()
            found[json.loads(value)["name"]] = area
        return found
