"""What the adapter says of books that are not set up as its options say."""

from __future__ import annotations

import json

import httpx
import pytest
from interlock.connections import Connection
from interlock.connectors.erp.tryton_books import TrytonBooks
from interlock.connectors.erp.tryton_rest import TrytonRest
from interlock.errors import ContractViolation


class KeyedConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        return {"key": "key"}


ADDRESS = {
    "name": "tryton",
    "vendor": "tryton",
    "base_url": "https://erp.example/books",
    "secret_id": "tryton",
}


def books(answers: dict[str, object], sent: list[str] | None = None, **options: str) -> TrytonBooks:
    """Books whose every model has this answer."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.split("/model/")[1]
        if sent is not None:
            sent.append(path)
        return httpx.Response(200, json=answers[path])

    connection = KeyedConnection(**ADDRESS, options=options)
    rest = TrytonRest(connection, transport=httpx.MockTransport(answer))
    return TrytonBooks(rest, options)


def test_an_account_is_looked_up_once():
    sent: list[str] = []
    of_company = books({"account.account": [{"id": 7}]}, sent)
    assert [of_company.account("clearing", 1) for _ in range(2)] == [7, 7]
    of_company.account("clearing", 2)
    assert sent == ["account.account"] * 2


def test_a_missing_account_is_said_with_its_code_and_role():
    option = json.dumps({"fees": "7.1"})
    with pytest.raises(ContractViolation, match=r"lacks the account 7\.1 for fees"):
        books({"account.account": []}, accounts=option).account("fees", 1)


def test_a_missing_setting_is_said():
    settings = {"account.configuration/1": {"currency_exchange_debit_account": None}}
    with pytest.raises(ContractViolation, match="currency_exchange_debit_account"):
        books(settings).exchange_account(1, gain=False)


def test_a_party_without_an_account_has_the_companys():
    answers = {
        "party.party/5": {"account_receivable": None},
        "account.configuration/1": {"default_account_receivable": 39},
    }
    assert books(answers).receivable("5", 1) == 39
    answers["party.party/5"] = {"account_receivable": 40}
    assert books(answers).receivable("5", 1) == 40


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_an_option_that_is_no_json_object_is_said(text: str):
    with pytest.raises(ContractViolation, match="'accounts' is no JSON object"):
        books({}, accounts=text)


def test_a_category_may_use_its_parents_account():
    def product(code: str, **category: object) -> dict:
        return {"code": code, "template": {"account_category": category or None}}

    found = [
        product("OWN", account_parent=False, account_revenue=1, parent=None),
        product("PARENT", account_parent=True, account_revenue=2, parent={"account_revenue": 3}),
        product("NONE"),
    ]
    products = books({"product.product": found}).products(("OWN", "PARENT", "NONE"), 1)
    assert {code: each["account"] for code, each in products.items()} == {"OWN": 1, "PARENT": 3}
