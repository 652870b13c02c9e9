"""Signed links: what one says is what was signed."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock import aws
from interlock.callers import Forbidden
from interlock.links import Link, Links

from tests.unit.conftest import Cloud, forget

NOW = 1_795_000_000
LINKS = Links(b"a secret", lambda: NOW)
TEXTS = st.text(min_size=1, max_size=30)
MADE = st.builds(
    Link, approval=TEXTS, person=TEXTS, subject=TEXTS, until=st.integers(NOW + 1, NOW * 2)
)


def query_of(link: Link, links: Links = LINKS) -> dict[str, str]:
    """The query of a link's address, as a browser sends it."""
    return dict(parse_qsl(urlsplit(links.address(link)).query, keep_blank_values=True))


@given(MADE)
def test_a_link_says_what_was_signed(link: Link) -> None:
    assert LINKS.read(query_of(link)) == link


@given(MADE, MADE)
def test_no_signature_is_that_of_another_link(link: Link, other: Link) -> None:
    if link == other:
        return

    with pytest.raises(Forbidden):
        LINKS.read(query_of(other) | {"signature": query_of(link)["signature"]})


@given(
    link=MADE,
    name=st.sampled_from(sorted(query_of(Link(approval="a", person="p", subject="s", until=1)))),
    data=st.data(),
)
def test_a_link_with_anything_changed_is_none(link: Link, name: str, data: st.DataObject) -> None:
    query = query_of(link)
    changed = data.draw(st.text(max_size=30).filter(lambda text: text != query[name]))

    try:
        read = LINKS.read(query | {name: changed})
    except Forbidden:
        return
    assert read == link, "another spelling of the same number, at most"
    assert name == "until"


def test_what_is_joined_differently_is_signed_differently() -> None:
    one = Link(approval="AP-1", person="ab", subject="c", until=NOW)
    other = Link(approval="AP-1", person="a", subject="bc", until=NOW)

    assert query_of(one)["signature"] != query_of(other)["signature"]


def test_a_link_expires() -> None:
    link = Link(approval="AP-1", person="p", subject="s", until=NOW)

    with pytest.raises(Forbidden, match="has expired"):
        LINKS.read(query_of(link))


def test_the_secret_is_read_anew_each_time(cloud: Cloud, environment: Any) -> None:
    """A new value makes every link worthless at once."""
    forget()
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name="links", SecretString="first")["ARN"]
    environment(APPROVAL_LINK_SECRET=arn)
    link = Link(approval="AP-1", person="p", subject="s", until=NOW * 2)
    query = query_of(link, Links.load())
    assert Links.load().read(query) == link

    secrets.put_secret_value(SecretId=arn, SecretString="second")

    with pytest.raises(Forbidden):
        Links.load().read(query)
