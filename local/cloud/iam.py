"""Who may call what: every call through moto is checked against the caller's own role.

Only identity policies of roles are evaluated, as in
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
A caller without a role (a test, the command line) may do everything.
"""

import functools
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import moto.core.authorization as authorization
from moto.core.exceptions import JsonRESTError
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends

from local.cloud.appconfig import configuration_arn
from local.cloud.corrections import Corrections
from local.cloud.names import ACCOUNT, REGION
from local.cloud.sigv4 import session_of

Statement = dict[str, Any]

IAM_PREFIXES = {"monitoring": "cloudwatch"}
"""Signing names that differ from the prefix of the service's actions."""

TRANSACT_ACTIONS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}


@dataclass(frozen=True)
class Access:
    """One action on one resource, with the condition keys of the request in lower case."""

    action: str
    resource: str
    conditions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Decision:
    """Whether a role (by name) was allowed an action on a resource."""

    role: str
    action: str
    resource: str
    allowed: bool


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.lru_cache(8192)
def _pattern(text: str, ignore_case: bool) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character, re.escape(character)) for character in text)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def matches(patterns: Any, value: str, ignore_case: bool = False) -> bool:
    """Whether one of the patterns, with `*` and `?`, covers the whole value."""
    return any(_pattern(pattern, ignore_case).fullmatch(value) for pattern in as_list(patterns))


def condition_holds(operator: str, expected: list[str], actual: str | None) -> bool:
    """One key of a condition block, for the string and ARN operators.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    qualifier, _, base = operator.rpartition(":")
    optional = base.endswith("IfExists") or qualifier == "ForAllValues"
    base = base.removesuffix("IfExists")
    if base not in ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike") and (
        base not in ("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike")
    ):
        raise NotImplementedError(f"condition operator {operator}")
    negated = "Not" in base
    if actual is None:
        return optional or negated
    wild = base != "StringEquals" and base != "StringNotEquals"
    found = matches(expected, actual) if wild else actual in expected
    return found != negated


def applies(statement: Statement, access: Access) -> bool:
    """Whether a statement speaks of this access at all."""
    if "NotAction" in statement:
        action_matches = not matches(statement["NotAction"], access.action, ignore_case=True)
    else:
        action_matches = matches(statement["Action"], access.action, ignore_case=True)
    if "NotResource" in statement:
        resource_matches = not matches(statement["NotResource"], access.resource)
    else:
        resource_matches = matches(statement["Resource"], access.resource)
    actual = dict(access.conditions)
    return (
        action_matches
        and resource_matches
        and all(
            condition_holds(operator, [str(value) for value in as_list(values)], actual.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in ((key.lower(), values) for key, values in keys.items())
        )
    )


def is_allowed(statements: Iterable[Statement], access: Access) -> bool:
    """An applying Allow, and no applying Deny."""
    effects = {statement["Effect"] for statement in statements if applies(statement, access)}
    return effects == {"Allow"}


def statements_of_role(role_arn: str) -> list[Statement]:
    """The statements of a role's inline and attached policies."""
    backend = iam_backends[ACCOUNT]["aws"]
    name = role_arn.split("/")[-1]
    documents = [
        backend.get_role_policy(name, policy)[1] for policy in backend.list_role_policies(name)
    ]
    for policy in backend.list_attached_role_policies(name)[0]:
        documents += [version.document for version in policy.versions if version.is_default]
    statements: list[Statement] = []
    for document in documents:
        parsed = json.loads(document) if isinstance(document, str) else document
        statements += as_list(parsed["Statement"])
    return statements


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def accesses(service: str, action: str, body: dict[str, Any], path: str) -> list[Access]:
    """What one request asks for, by the service authorization reference:
    https://docs.aws.amazon.com/service-authorization/latest/reference/
    """
    name = f"{service}:{action}"
    describe = {
        "appconfig": _appconfig_accesses,
        "dynamodb": _dynamodb_accesses,
        "events": _events_accesses,
        "lambda": _lambda_accesses,
        "scheduler": _scheduler_accesses,
        "secretsmanager": _secret_accesses,
        "sqs": _sqs_accesses,
        "ssm": _parameter_accesses,
        "states": _states_accesses,
    }.get(service)
    if describe:
        return describe(name, body, path)
    namespace = body.get("Namespace")
    conditions = (("cloudwatch:namespace", namespace),) if namespace else ()
    return [Access(name, body.get("TopicArn") or "*", conditions)]


def _appconfig_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    if name not in ("appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"):
        return [Access(name, "*")]
    return [Access(name, configuration_arn(body) or "*")]


def _dynamodb_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    def table(table_name: str) -> str:
        return arn("dynamodb", f"table/{table_name.split('/')[-1]}")

    if "TransactItems" in body:
        return [
            Access(f"dynamodb:{TRANSACT_ACTIONS[kind]}", table(item["TableName"]))
            for entry in body["TransactItems"]
            for kind, item in entry.items()
        ]
    if "RequestItems" in body:
        return [Access(name, table(table_name)) for table_name in body["RequestItems"]]
    if "TableName" not in body:
        return [Access(name, "*")]
    index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
    return [Access(name, table(body["TableName"]) + index, _leading_key(body))]


def _leading_key(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The condition key for the partition of the one item that a request is about.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    key = body.get("Key")
    if not key:
        return ()
    table = dynamodb_backends[ACCOUNT][REGION].tables.get(body["TableName"].split("/")[-1])
    if table is None:
        return ()
    [value] = key[table.hash_key_attr].values()
    return (("dynamodb:leadingkeys", value),)


def _events_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    if name != "events:PutEvents":
        return [Access(name, "*")]
    found = []
    for entry in body["Entries"]:
        bus = entry.get("EventBusName") or "default"
        resource = bus if bus.startswith("arn:") else arn("events", f"event-bus/{bus}")
        conditions = (
            ("events:detail-type", entry.get("DetailType", "")),
            ("events:source", entry.get("Source", "")),
        )
        found.append(Access(name, resource, conditions))
    return found


def _lambda_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    if "/functions/" not in path:
        return [Access(name, "*")]
    function = unquote(path.split("/functions/")[1].split("/")[0]).split(":function:")[-1]
    action = "lambda:InvokeFunction" if path.endswith("/invocations") else name
    return [Access(action, arn("lambda", f"function:{function}"))]


def _scheduler_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    if "/schedules/" not in path:
        return [Access(name, "*")]
    group = body.get("GroupName") or body.get("groupName") or "default"
    found = [Access(name, arn("scheduler", f"schedule/{group}/{path.split('/')[-1]}"))]
    if "Target" in body:
        passed_to = (("iam:passedtoservice", "scheduler.amazonaws.com"),)
        found.append(Access("iam:PassRole", body["Target"]["RoleArn"], passed_to))
    return found


def _secret_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    secret = body.get("SecretId") or body.get("Name")
    if not secret:
        return [Access(name, "*")]
    stored = secretsmanager_backends[ACCOUNT][REGION].secrets.get(secret)
    return [Access(name, stored.arn if stored else arn("secretsmanager", f"secret:{secret}"))]


def _sqs_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    queue = body.get("QueueUrl") or body.get("QueueName") or "*"
    return [Access(name.removesuffix("Batch"), arn("sqs", queue.split("/")[-1]))]


def _parameter_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    names = body.get("Names") or [body.get("Name") or body.get("Path")]
    return [
        Access(name, arn("ssm", f"parameter/{parameter.lstrip('/')}") if parameter else "*")
        for parameter in names
    ]


def _states_accesses(name: str, body: dict[str, Any], path: str) -> list[Access]:
    return [Access(name, body.get("stateMachineArn") or body.get("executionArn") or "*")]


class Authoriser:
    """Decides every request of a role and remembers the decisions."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self._statements: dict[str, list[Statement]] = {}
        self._lock = threading.Lock()

    def check(self, request: Any) -> None:
        """Refuse one of moto's requests unless its caller may make it."""
        session = session_of(request.get_access_key())
        if session is None:
            return
        signing_name = request.headers["Authorization"].split("Credential=")[1].split("/")[3]
        service = IAM_PREFIXES.get(signing_name, signing_name)
        action = request._get_action()
        if (service, action) == ("sts", "GetCallerIdentity"):
            return  # Needs no permission.
        body = {} if service == "lambda" else request_body(request)
        for access in accesses(service, action, body, request.path):
            if not self.allows(session.role_arn, access):
                raise JsonRESTError("AccessDeniedException", denial(session.arn, access))

    def allows(self, role: str, access: Access) -> bool:
        """Whether the role has the access; remembered as a decision."""
        with self._lock:
            if role not in self._statements:
                self._statements[role] = statements_of_role(role)
            statements = self._statements[role]
        allowed = is_allowed(statements, access)
        decision = Decision(role.split("/")[-1], access.action, access.resource, allowed)
        self.decisions.append(decision)
        return allowed


def denial(caller: str, access: Access) -> str:
    """What AWS tells a caller, by its ARN, that lacks an access."""
    return (
        f"User: {caller} is not authorized to perform: {access.action} on resource: "
        f"{access.resource} because no identity-based policy allows the {access.action} action"
    )


def request_body(request: Any) -> dict[str, Any]:
    """The parameters of a request in the JSON, query or REST protocol."""
    raw = request.raw_body or ""
    text = raw.decode() if isinstance(raw, bytes) else raw
    if text.startswith("{"):
        return json.loads(text)
    return {name: values[0] for name, values in request.querystring.items()}


def evaluate_identity_policies(corrections: Corrections, authoriser: Authoriser) -> None:
    """moto checks policies only against the resource `*` for most services, and only after a
    number of unchecked requests; the callers' own roles are checked here instead."""

    def check(request: Any, resource: str = "*") -> None:
        authoriser.check(request)

    corrections.replace(
        authorization.ActionAuthenticatorMixin, "_authenticate_and_authorize_normal_action", check
    )
