"""A sandbox of Salesforce's REST API: our own stand-in, for there is no server to install.

It keeps the paths, statuses, error codes, authentication and limits of the REST API
(https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/) for what is used here:
records, upsert by external id, SOQL queries with paging, describe, limits and composite requests.
The statuses of UNABLE_TO_LOCK_ROW and ENTITY_IS_DELETED are not documented: 400 and 404 here.

    organization = Organization(on_change=publish)
    authorization = Authorization(organization)
    sandbox = salesforce_sandbox(organization, authorization).serve()
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from flask import Flask, Response, request

from local.sandboxes.salesforce_composite import Answer, Call
from local.sandboxes.salesforce_oauth import Authorization, OAuthError
from local.sandboxes.salesforce_rest import LIMIT_EXCEEDED, RestApi
from local.sandboxes.salesforce_store import Organization, SalesforceError
from local.sandboxes.sandbox import Fault, Sandbox

UNAVAILABLE = SalesforceError(503, "SERVER_UNAVAILABLE", "The server is unavailable.")
EXPIRED = SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
VERSION = {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"}


def salesforce_sandbox(
    organization: Organization,
    authorization: Authorization,
    *,
    daily_limit: int = 100_000,
    batch_size: int = 2_000,
) -> Sandbox:
    """The sandbox of an organisation, not yet served.

    `daily_limit` is the number of API requests it answers; `batch_size` how many records a query
    returns at once.
    """
    api = RestApi(organization, daily_limit, batch_size)
    app = Flask("salesforce")

    def respond(answer: Answer) -> Response:
        response = _json(answer.body, answer.status)
        response.headers.update(answer.headers)
        response.headers["Sforce-Limit-Info"] = f"api-usage={api.used}/{api.daily_limit}"
        return response

    def failed(error: SalesforceError) -> Response:
        return respond(Answer(error.status, error.body))

    @app.post("/services/oauth2/token")
    def token() -> Response:
        form = request.form.to_dict()
        basic = request.authorization
        if basic and basic.type == "basic":
            form |= {"client_id": basic.username or "", "client_secret": basic.password or ""}
        try:
            return _json(authorization.grant(form, request.host_url.rstrip("/")), 200)
        except OAuthError as error:
            return _json({"error": error.error, "error_description": error.description}, 400)

    @app.get("/services/data/")
    def versions() -> Response:
        return _json([VERSION], 200)

    @app.route("/services/data/v<version>/", defaults={"path": ""})
    @app.route("/services/data/v<version>/<path:path>", methods=["GET", "POST", "PATCH", "DELETE"])
    def resource(version: str, path: str) -> Response:
        scheme, _, session = request.headers.get("Authorization", "").partition(" ")
        user_id = authorization.user_of(session) if scheme in ("Bearer", "OAuth") else None
        if user_id is None:
            return failed(EXPIRED)
        try:
            api.count()
            text = request.get_data(as_text=True)
            body = json.loads(text, parse_float=Decimal) if text else None
        except SalesforceError as error:
            return failed(error)
        except ValueError:
            return failed(SalesforceError(400, "JSON_PARSER_ERROR", "Unexpected character"))
        parameters = request.args.to_dict()
        headers = dict(request.headers)
        call = Call(request.method, path, version, parameters, body, headers, user_id)
        return respond(api.answer(call))

    def throttled(_: Fault) -> Response:
        return failed(LIMIT_EXCEEDED)

    def unavailable(_: Fault) -> Response:
        return failed(UNAVAILABLE)

    return Sandbox(
        "salesforce", app, throttled, unavailable, expire_tokens=authorization.expire_all
    )


def _json(body: Any, status: int) -> Response:
    text = "" if body is None else json.dumps(body)
    return Response(text, status, mimetype="application/json")
