"""The OAuth 2.0 token endpoint of the Salesforce sandbox, and the sessions it starts.

Client credentials, JWT bearer (the signature is verified with the certificate's public key) and
the username-password flow, which Salesforce blocks by default in new organisations.
https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm
https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from local.sandboxes.salesforce_store import Organization

SESSION_TIMEOUT = timedelta(hours=2)
CLOCK_SKEW = timedelta(minutes=3)
LONGEST_ASSERTION = timedelta(minutes=5)
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class OAuthError(Exception):
    """The token endpoint refuses: an error code of RFC 6749 or Salesforce's own."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass
class ExternalClientApp:
    """An app that an administrator registered; `run_as` is its client credentials user.

    `public_key` is the PEM public key of the certificate that verifies its assertions.
    """

    consumer_key: str
    consumer_secret: str
    run_as: str
    public_key: bytes | None = None


@dataclass
class Authorization:
    """Who may log in, and the sessions that are open."""

    organization: Organization
    apps: dict[str, ExternalClientApp] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    """Username to password followed by security token."""
    sessions: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Access token to user id and the time at which the session ends, unless it is used."""

    def register(self, app: ExternalClientApp) -> None:
        """Let this app log in."""
        self.apps[app.consumer_key] = app

    def expire_all(self) -> None:
        """End every session."""
        self.sessions.clear()

    def user_of(self, token: str) -> str | None:
        """The user of a session that is open; using it prolongs it."""
        user_id, ends_at = self.sessions.get(token, ("", None))
        now = self.organization.clock()
        if ends_at is None or ends_at <= now:
            self.sessions.pop(token, None)
            return None
        self.sessions[token] = user_id, now + SESSION_TIMEOUT
        return user_id

    def grant(self, form: dict[str, str], instance_url: str) -> dict[str, Any]:
        """The answer of the token endpoint. Raises OAuthError."""
        grant_type = form.get("grant_type", "")
        if grant_type == "client_credentials":
            user_id = self._app(form).run_as
        elif grant_type == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            user_id = self._asserted_user(form.get("assertion", ""), instance_url)
        elif grant_type == "password":
            self._app(form)
            user_id = self._password_user(form)
        else:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        return self._open_session(user_id, instance_url)

    def _open_session(self, user_id: str, instance_url: str) -> dict[str, Any]:
        now = self.organization.clock()
        token = f"{self.organization.id[:15]}!{secrets.token_urlsafe(64)}"
        self.sessions[token] = user_id, now + SESSION_TIMEOUT
        return {
            "access_token": token,
            "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
            "scope": "api",
            "instance_url": instance_url,
            "id": f"{instance_url}/id/{self.organization.id}/{user_id}",
            "token_type": "Bearer",
            "issued_at": str(int(now.timestamp() * 1000)),
        }

    def _app(self, form: dict[str, str]) -> ExternalClientApp:
        app = self.apps.get(form.get("client_id", ""))
        if app is None:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if not secrets.compare_digest(app.consumer_secret, form.get("client_secret", "")):
            raise OAuthError("invalid_client", "invalid client credentials")
        return app

    def _user(self, username: str) -> str:
        users = self.organization.matching("User", "Username", username)
        if not users or not users[0]["IsActive"]:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        return users[0]["Id"]

    def _password_user(self, form: dict[str, str]) -> str:
        expected = self.passwords.get(form.get("username", ""))
        if not expected or not secrets.compare_digest(expected, form.get("password", "")):
            raise OAuthError("invalid_grant", "authentication failure")
        return self._user(form["username"])

    def _asserted_user(self, assertion: str, instance_url: str) -> str:
        claims = self._verified(assertion)
        if claims.get("aud") not in (*AUDIENCES, instance_url):
            raise OAuthError("invalid_grant", "audience is invalid")
        expires_in = float(claims.get("exp", 0)) - self.organization.clock().timestamp()
        if not -CLOCK_SKEW.total_seconds() < expires_in <= LONGEST_ASSERTION.total_seconds():
            raise OAuthError("invalid_grant", "expired authorization code")
        return self._user(str(claims.get("sub", "")))

    def _verified(self, assertion: str) -> dict[str, Any]:
        """The claims of an RS256 JSON Web Token whose signature is its app's."""
        try:
            signed, _, signature = assertion.rpartition(".")
            header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
            app = self.apps.get(claims["iss"])
            if app is None or header["alg"] != "RS256":
                raise OAuthError("invalid_client_id", "client identifier invalid")
            if app.public_key is None:
                raise OAuthError("invalid_grant", "invalid assertion")
            key = load_pem_public_key(app.public_key)
            assert isinstance(key, RSAPublicKey)
            key.verify(_decoded(signature), signed.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError, KeyError, TypeError, binascii.Error) as error:
            raise OAuthError("invalid_grant", "invalid assertion") from error
        return claims


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
