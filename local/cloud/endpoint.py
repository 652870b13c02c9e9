"""Serves moto over HTTP, for the functions' processes and other programs, and the stack's APIs."""

import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from local.cloud.apigateway import PREFIX, RAW_HEADERS, Gateway


class SilentRequestHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *arguments: Any) -> None:
        """Write nothing: not a request, nor that a killed function went away."""

    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), RAW_HEADERS: list(self.headers.items())}


class Endpoint:
    """moto's HTTP server on this machine, in a thread; it shares moto's back ends."""

    def __init__(self, port: int, gateway: Gateway) -> None:
        """Listen on `port`, or on a free one if it is 0."""
        moto = DomainDispatcherApplication(create_backend_app)

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            called = gateway if environ["PATH_INFO"].startswith(PREFIX) else moto
            return called(environ, start_response)

        self._server: BaseWSGIServer = make_server(
            "127.0.0.1",
            port,
            application,
            threaded=True,
            request_handler=SilentRequestHandler,
        )
        self._server.handle_error = lambda request, address: None
        self._thread = threading.Thread(name="moto", target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
