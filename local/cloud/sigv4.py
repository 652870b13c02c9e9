"""Who signed a request: Signature Version 4, verified with botocore's own signer.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
"""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.sts.models import AssumedRole, sts_backends

from local.cloud.names import ACCOUNT, REGION

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request, ?SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
LARGEST_SKEW_SECONDS = 300
CONTENT_HASH = "x-amz-content-sha256"


class Unsigned(Exception):
    """The request has no signature."""


class WrongSignature(Exception):
    """The signature is not that of the caller and the request; the text is for the caller."""


@dataclass(frozen=True)
class Caller:
    """Who signed a request. `role` is the ARN of the role whose session it is, None for one that
    may do everything."""

    access_key: str
    user_id: str
    arn: str
    role: str | None


def session_of(access_key: str) -> AssumedRole | None:
    """The session of a role that this access key belongs to."""
    return sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)


def caller_of(
    service: str, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Caller:
    """The caller who signed this request to a service. Raises Unsigned and WrongSignature.

    A key that was not made here is the developer's: as everywhere in the local cloud any will do,
    and its secret is known to nobody.
    """
    given = {name.lower(): value for name, value in headers}
    parts = AUTHORIZATION.fullmatch(given.get("authorization", ""))
    if parts is None:
        raise Unsigned
    if (parts["service"], parts["region"]) != (service, REGION):
        raise WrongSignature(f"Credential should be scoped to {service} in {REGION}.")
    session = session_of(parts["key"])
    if session is None:
        return Caller(parts["key"], ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", None)
    if given.get("x-amz-security-token") != session.session_token:
        raise WrongSignature("The security token included in the request is invalid.")
    _require_recent(given.get("x-amz-date", ""))
    # Whatever a header says of it: the body that came.
    given |= {CONTENT_HASH: hashlib.sha256(body).hexdigest()}
    signed = {name: given.get(name, "") for name in parts["headers"].split(";")}
    if not {"host", "x-amz-date"} <= set(signed) or not hmac.compare_digest(
        _signature(service, session, AWSRequest(method, url, headers=signed, data=body)),
        parts["signature"],
    ):
        raise WrongSignature(
            "The request signature we calculated does not match the signature you provided. Check"
            " your AWS Secret Access Key and signing method."
        )
    return Caller(parts["key"], session.user_id, session.arn, session.role_arn)


def _require_recent(date: str) -> None:
    """Callers live on the real time, whatever the clock of the cloud says."""
    try:
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise WrongSignature("Date must be in ISO-8601 'basic format'.") from None
    if abs(time.time() - signed_at) > LARGEST_SKEW_SECONDS:
        raise WrongSignature(f"Signature expired: {date} is too far from the time it is here.")


def _signature(service: str, session: AssumedRole, request: AWSRequest) -> str:
    request.context["timestamp"] = request.headers["x-amz-date"]
    secret = Credentials(session.access_key_id, session.secret_access_key, session.session_token)
    signer = SigV4Auth(secret, service, REGION)
    canonical = signer.canonical_request(request)
    return signer.signature(signer.string_to_sign(request, canonical), request)
