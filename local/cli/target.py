"""Which deployed stack a command works on: the local cloud's, or one in an AWS account.

1. The ordinary AWS environment, when it is set (AWS_PROFILE, AWS_ENDPOINT_URL, access keys): the
   stack of --stack or INTERLOCK_STACK, else `interlock`, the name that samconfig.toml deploys.
2. Else the local cloud that `interlock up` keeps running, unless another stack is named.
3. A named stack alone is looked for with boto3's defaults.

A stack's resources are found by their logical ids in template.yaml.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Self

import boto3
import click
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cli.errors import Failure
from local.cli.local_state import LocalState, running, state_file

DEFAULT_STACK = "interlock"
LOCAL_KEY = "local"  # a local cloud takes any access key
AWS_ENVIRONMENT = (
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
# Longer than a function may run; an invocation is never repeated by the client.
READ_SECONDS = 905
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Resource:
    """A resource of the stack; `physical_id` is what Ref gives in the template."""

    logical_id: str
    physical_id: str
    type: str


@dataclass(frozen=True)
class Target:
    """A stack, and a boto3 session for the place where it is deployed."""

    stack: str
    session: boto3.Session
    endpoint: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def find(cls, stack: str | None) -> Self:
        """The stack to work on, as this module says. Raises Failure when there is none."""
        if any(os.environ.get(name) for name in AWS_ENVIRONMENT):
            return cls.of_aws(stack or DEFAULT_STACK)
        local = running()
        if local and stack in (None, local.stack):
            return cls.local(local.stack, local.region, local.endpoint)
        if stack:
            return cls.of_aws(stack)
        raise Failure(
            f"{_why_none()}: start it with `interlock up`, or name a deployed stack with --stack"
            " (AWS_PROFILE and AWS_REGION say where it is)"
        )

    @classmethod
    def of_aws(cls, stack: str) -> Self:
        """A stack in the place that the ordinary AWS environment names.

        boto3 itself reads the region from AWS_DEFAULT_REGION alone, other tools from AWS_REGION.
        """
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        return cls(stack, session, os.environ.get("AWS_ENDPOINT_URL"))

    @classmethod
    def local(cls, stack: str, region: str, endpoint: str) -> Self:
        """The stack of a local cloud, whatever credentials the environment has."""
        return cls(stack, boto3.Session(LOCAL_KEY, LOCAL_KEY, region_name=region), endpoint)

    def client(self, service: str) -> Any:
        """A boto3 client at the stack's place, made once: that takes longer than a call."""
        if service not in self._clients:
            self._clients[service] = self.session.client(
                service, endpoint_url=self.endpoint, config=_config()
            )
        return self._clients[service]

    @cached_property
    def dynamodb(self) -> Any:
        """A DynamoDB client that takes and gives Python values."""
        resource = self.session.resource("dynamodb", endpoint_url=self.endpoint, config=_config())
        return resource.meta.client

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """The stack's resources by logical id. Raises Failure when there is no such stack."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        try:
            found = [
                Resource(
                    summary["LogicalResourceId"],
                    summary["PhysicalResourceId"],
                    summary["ResourceType"],
                )
                for page in pages.paginate(StackName=self.stack)
                for summary in page["StackResourceSummaries"]
                if summary.get("PhysicalResourceId")
            ]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise Failure(
                f"there is no stack {self.stack!r} {self.place}: name it with --stack or"
                " INTERLOCK_STACK"
            ) from error
        return {resource.logical_id: resource for resource in found}

    def id(self, logical_id: str) -> str:
        """The physical id of a resource. Raises Failure when the stack lacks it."""
        try:
            return self.resources[logical_id].physical_id
        except KeyError:
            raise Failure(
                f"stack {self.stack!r} has no {logical_id}: is it a deployment of Interlock?"
            ) from None

    def of_type(self, resource_type: str) -> list[Resource]:
        """The resources of one CloudFormation type."""
        return [each for each in self.resources.values() if each.type == resource_type]

    @property
    def place(self) -> str:
        """Where the stack is, for a person."""
        return f"at {self.endpoint}" if self.endpoint else f"in {self.session.region_name}"


def pass_target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the stack to work on; which one is said when it is in a real account."""

    @wraps(command)
    def with_target(*arguments: Any, **options: Any) -> Any:
        target = Target.find(click.get_current_context().find_root().obj)
        if target.endpoint is None:
            profile = target.session.profile_name
            click.echo(f"stack {target.stack} {target.place} (profile {profile})", err=True)
        return command(target, *arguments, **options)

    return with_target


def _why_none() -> str:
    stale = LocalState.read()
    if stale:
        return f"the local cloud of {state_file()} (process {stale.pid}) has ended"
    return "no local cloud is running"


def _config() -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
