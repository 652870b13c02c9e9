"""The deployed REST API, as its people call it: requests signed by the credentials of a person.

    api = Api(target, person)
    waiting = api.get("/approvals", {"status": "waiting"})
    api.post(f"/approvals/{id}/decision", {"decision": "approve"})

Who calls is what the signature says, and no text in a request. `--as EMAIL` assumes a role of the
stack, the approver's or the operator's, with the address as the name of the session. In an AWS
account the role's trust policy holds each person to the own address; a local cloud plays any
(docs/deploying.md).
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

import click
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.cli.errors import Failure
from local.cli.target import Target

API = "Api"
STAGE = "v1"
APPROVER_ROLE, OPERATOR_ROLE = "ApproverRole", "OperatorRole"
# An API answers within 29 seconds: its longest integration timeout.
SECONDS = 35
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)

as_option = click.option(
    "--as", "person", metavar="EMAIL",
    help="Act under this address, by the role for it; else as your own credentials are.",
)  # fmt: skip


class Api:
    """The API of a stack. `person` is the address of who calls, None for the target's own caller.

    `role` is the one that lets a person call, by its logical id.
    Each call returns the answer's JSON. Raises Failure with the API's own words when it refuses,
    or cannot be reached.
    """

    def __init__(
        self, target: Target, person: str | None = None, role: str = APPROVER_ROLE
    ) -> None:
        self._target = target
        self._person = person
        self._role = role

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Read; `path` begins with a slash and is not encoded."""
        return self._call("GET", path, query or {}, b"")

    def post(self, path: str, body: Any) -> Any:
        """Send a JSON body; `path` as in `get`."""
        return self._call("POST", path, {}, json.dumps(body).encode())

    @cached_property
    def url(self) -> str:
        """Where the API is: of its own in AWS, below the endpoint in a local cloud."""
        api = self._target.id(API)
        if self._target.endpoint:
            return f"{self._target.endpoint}/_aws/execute-api/{api}/{STAGE}"
        region = self._target.session.region_name
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://{api}.execute-api.{region}.{suffix}/{STAGE}"

    def _call(self, method: str, path: str, query: Mapping[str, str], content: bytes) -> Any:
        request = self._signed(method, self._address(path, query), content)
        try:
            response = httpx.request(
                method,
                request.url,
                headers=dict(request.headers.items()),
                content=content,
                timeout=SECONDS,
            )
        except httpx.HTTPError as error:
            raise Failure(f"{method} {path}: {error}: is the API at {self.url} there?") from error
        if not response.is_success:
            raise Failure(f"{method} {path}: {_message(response)} (status {response.status_code})")
        return _json(response)

    def _address(self, path: str, query: Mapping[str, str]) -> str:
        # Encoded as a signature wants it, which is stricter than what an HTTP client does.
        encoded = urlencode(query, quote_via=quote, safe="")
        return self.url + quote(path) + (f"?{encoded}" if encoded else "")

    def _signed(self, method: str, url: str, content: bytes) -> AWSRequest:
        headers = {"Content-Type": "application/json"} if content else {}
        request = AWSRequest(method, url, headers=headers, data=content)
        region = self._target.session.region_name
        SigV4Auth(self._credentials, "execute-api", region).add_auth(request)
        return request

    @cached_property
    def _credentials(self) -> Credentials:
        if self._person is None:
            own = self._target.session.get_credentials()
            if own is None:
                raise Failure("no AWS credentials were found: set AWS_PROFILE, or log in")
            return own.get_frozen_credentials()
        if not SESSION_NAME.fullmatch(self._person):
            raise Failure(
                f"{self._person!r} cannot name a session: an address of 2 to 64 letters, digits"
                " and +=,.@- can"
            )
        session = self._target.client("sts").assume_role(
            RoleArn=self._role_arn(), RoleSessionName=self._person
        )["Credentials"]
        return Credentials(
            session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
        )

    def _role_arn(self) -> str:
        """The role is in the caller's own account."""
        caller = self._target.client("sts").get_caller_identity()
        partition = caller["Arn"].split(":")[1]
        return f"arn:{partition}:iam::{caller['Account']}:role/{self._target.id(self._role)}"


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise Failure(f"{response.url.path}: the answer is no JSON") from error


def _message(response: httpx.Response) -> str:
    """What the API says is wrong: `message`, or `Message` as API Gateway writes it at times."""
    try:
        content = response.json()
        text = content.get("message") or content.get("Message")
    except (ValueError, AttributeError):
        text = None
    return " ".join(str(text or response.reason_phrase).split())
