"""Who calls the API: a person, by what AWS authenticated and by nothing that a request says.

A person assumes the approver role, or the operator role, with the own e-mail address as the name of
the session; the roles' trust policies hold each person to it. Sessions of other roles are named by
whoever opens them, and prove no person.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
"""

from __future__ import annotations

import re

from interlock.settings import Settings

_SESSION = re.compile(r"arn:[\w-]+:sts::\d{12}:assumed-role/(?P<role>[^/]+)/(?P<name>[^/]+)")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class ApproverSettings(Settings):
    """The role of those who approve."""

    approver_role: str


class OperatorSettings(Settings):
    """The role of those who suspend customers, and resume their service."""

    operator_role: str


class Forbidden(Exception):
    """A person may not do this, or is not known; the text says why and what to do."""


def approver(caller_arn: str | None) -> str:
    """The e-mail address of an approver, in small letters. Raises Forbidden for anybody else."""
    return _person(caller_arn, ApproverSettings.load().approver_role)


def operator(caller_arn: str | None) -> str:
    """The e-mail address of an operator, in small letters. Raises Forbidden for anybody else."""
    return _person(caller_arn, OperatorSettings.load().operator_role)


def _person(caller_arn: str | None, role: str) -> str:
    session = _SESSION.fullmatch(caller_arn or "")
    if session is None or session["role"] != role:
        raise Forbidden(
            f"{caller_arn or 'nobody'} is no person that is known here: assume the role {role}"
        )
    if not _ADDRESS.fullmatch(session["name"]):
        raise Forbidden(
            f"the session {session['name']!r} is named after no person: assume the role {role} with"
            " your e-mail address as the session's name"
        )
    return session["name"].lower()
