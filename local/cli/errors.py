"""What goes wrong as expected is one line that says what to do, never a traceback.

Exit codes: 1 for a failure, 2 for a wrong use of the command line.
"""

from __future__ import annotations

from typing import Any

import click
from botocore import exceptions as boto

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
UNKNOWN_CALLER = {
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "InvalidAccessKeyId",
}
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "KMSAccessDeniedException",
    "UnauthorizedOperation",
}


class Failure(click.ClickException):
    """A failure that is no defect of this program: its text says what to do."""


class Commands(click.Group):
    """A group of commands that tells AWS's errors in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (boto.BotoCoreError, boto.ClientError) as error:
            raise Failure(advice(error)) from error


def advice(error: Exception) -> str:
    """What an error of boto3 means for the person who typed the command."""
    match error:
        case boto.ClientError():
            return _refusal(error)
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return "no AWS credentials were found: set AWS_PROFILE, or log in"
        case boto.NoRegionError():
            return "no AWS region was found: set AWS_REGION, or one in the profile"
        case boto.ProfileNotFound():
            return f"{error}: see `aws configure list-profiles`"
        case boto.SSOError() | boto.TokenRetrievalError() | boto.CredentialRetrievalError():
            return f"the AWS login is over: log in again ({_one_line(error)})"
        case boto.ConnectionError() | boto.HTTPClientError():
            return f"{_one_line(error)}: is it running? AWS_ENDPOINT_URL and AWS_REGION say where"
    return _one_line(error)


def _refusal(error: boto.ClientError) -> str:
    details = error.response.get("Error", {})
    code = details.get("Code", "Unknown")
    message = " ".join(str(details.get("Message", "")).split())
    if code in EXPIRED:
        return f"the AWS credentials have expired: log in again ({code})"
    if code in UNKNOWN_CALLER:
        return f"AWS does not know these credentials: check AWS_PROFILE or log in again ({code})"
    if code in DENIED:
        return f"AWS denies {error.operation_name} to these credentials (AWS_PROFILE): {message}"
    return f"AWS refuses {error.operation_name}: {code}: {message}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
