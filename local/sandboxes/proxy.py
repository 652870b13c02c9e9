"""A reverse proxy before a server that is not ours, so that it can fail on demand as sandboxes do.

Every request is passed on to the real server as it is, and its answer as it is. On demand the proxy
itself answers instead, as a load balancer in front of a busy or broken server would, or it keeps
the server's answer to itself. A server that cannot be reached is a 502, as RFC 9110 has it:
https://www.rfc-editor.org/rfc/rfc9110.html#name-502-bad-gateway
"""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from flask import Flask, Response, request

from local.sandboxes.sandbox import Fault, Sandbox

# Headers of one connection alone, and those that Flask sets itself.
# https://www.rfc-editor.org/rfc/rfc9110.html#name-connection
NOT_PASSED_ON = {"connection", "content-length", "date", "host", "server", "transfer-encoding"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
SECONDS_TO_ANSWER = 60


def proxy(name: str, upstream: str) -> Sandbox:
    """A proxy for the server at the address `upstream`, not yet served; the paths are the same.

    There are no access tokens of its own that could expire.
    """
    app = Flask(name)
    server = urlsplit(upstream).netloc

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    def pass_on(path: str) -> Response:
        connection = HTTPConnection(server, timeout=SECONDS_TO_ANSWER)
        try:
            connection.request(
                request.method,
                request.environ["REQUEST_URI"],
                body=request.get_data(),
                headers=_passed_on(request.headers.items()),
            )
            answer = connection.getresponse()
            return Response(answer.read(), answer.status, _passed_on(answer.getheaders()))
        except (OSError, HTTPException):
            return _page("Bad Gateway", 502)
        finally:
            connection.close()

    return Sandbox(
        name=name,
        app=app,
        throttled=lambda fault: _page("Too Many Requests", 429, fault),
        unavailable=lambda fault: _page("Service Unavailable", 503, fault),
        expire_tokens=lambda: None,
    )


def _passed_on(headers) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in NOT_PASSED_ON}


def _page(text: str, status: int, fault: Fault | None = None) -> Response:
    headers = {}
    if fault and fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    return Response(f"<html><h1>{text}</h1></html>", status, headers, mimetype="text/html")
