"""What the tests with simple-salesforce share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.exceptions import SalesforceError

from local.sandboxes.salesforce_seed import CONSUMER_KEY, CONSUMER_SECRET

APP = {
    "consumer_key": CONSUMER_KEY,
    "consumer_secret": CONSUMER_SECRET,
    "domain": "tessaline.my",
}
NEW_DEAL = {"Name": "New deal", "StageName": "Prospecting", "CloseDate": "2026-12-24"}


class ToSandbox(HTTPAdapter):
    """The client speaks to https hosts of Salesforce: send that to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Keep path and query, change the host."""
        parts = urlsplit(str(request.url))
        request.url = f"{self._url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


def code_of(error: pytest.ExceptionInfo[SalesforceError]) -> str:
    """Salesforce's own code of an error."""
    return error.value.content[0]["errorCode"]
