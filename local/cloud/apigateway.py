"""The template's REST APIs: HTTP requests become events of functions, their answers responses.

An API is below the local cloud's endpoint, at `/_aws/execute-api/<its id>/<stage>/`. Its methods
are Lambda proxy integrations, open or for signed requests (AWS_IAM), and all bodies are text.
Throttling, logs and CORS are not played.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import json
import re
import secrets
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.cloud.clock import ClockStopped, WorkerThread, clock
from local.cloud.cloudformation import MissingResource, resolved
from local.cloud.functions import FunctionHost
from local.cloud.iam import Access, Authoriser, arn, denial
from local.cloud.names import ACCOUNT, REGION
from local.cloud.sigv4 import Caller, Unsigned, WrongSignature, caller_of

PREFIX = "/_aws/execute-api/"
RAW_HEADERS = "local.headers"
"""In the WSGI environment: the headers as they came, pairs of name and value."""

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
LARGEST_BODY_BYTES = 10 * 1024 * 1024
INTEGRATION_SECONDS = 29.0
ANY_METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
BINARY_TYPES = "x-amazon-apigateway-binary-media-types"
CONNECTION_HEADERS = ("connection", "content-length")
ANSWER_FIELDS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
JSON_CONTENT = ("Content-Type", "application/json")


class RestApi(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-restapi.html"""

    resource_type = "AWS::ApiGateway::RestApi"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        title = properties.get("Name") or properties["Body"]["info"]["title"]
        api = cls.client("apigateway").create_rest_api(name=title)
        return api["id"], {"RestApiId": api["id"], "RootResourceId": api["rootResourceId"]}


class Deployment(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-deployment.html"""

    resource_type = "AWS::ApiGateway::Deployment"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        return name, {"DeploymentId": name}


class Stage(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-stage.html"""

    resource_type = "AWS::ApiGateway::Stage"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        return properties["StageName"], {}


class Account(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-account.html"""

    resource_type = "AWS::ApiGateway::Account"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        return name, {"Id": name}


@dataclass(frozen=True)
class Route:
    """A method of an API; its `path` has the parameters' names in braces."""

    method: str
    path: str
    function: str
    by_iam: bool
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, method: str, path: str, definition: dict[str, Any]) -> "Route":
        """From an OpenAPI operation. Raises NotImplementedError for what is not played here."""
        integration = definition[INTEGRATION]
        schemes = {scheme for each in definition.get("security", []) for scheme in each}
        if integration["type"] != "aws_proxy" or not schemes <= {"AWS_IAM", "NONE"}:
            raise NotImplementedError(f"{method} {path}: {integration['type']}, {sorted(schemes)}")
        if integration.get("credentials"):
            raise NotImplementedError(f"{method} {path}: an integration with credentials")
        function = integration["uri"].split("/functions/")[1].removesuffix("/invocations")
        names = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.escape(path))
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", names))
        return cls(method, path, function, "AWS_IAM" in schemes, pattern)

    def takes(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parameters, if the route is for this method and path."""
        match = self.pattern.fullmatch(path)
        if match is None or self.method not in (method, "ANY"):
            return None
        return {name: unquote(value) for name, value in match.groupdict().items()}


def routes(body: dict[str, Any]) -> list[Route]:
    """Those of an OpenAPI document, the most specific first."""
    if body.get(BINARY_TYPES):
        raise NotImplementedError("binary media types of an API")
    found = [
        Route.of("ANY" if method == ANY_METHOD else method.upper(), path, definition)
        for path, methods in body["paths"].items()
        for method, definition in methods.items()
    ]
    return sorted(found, key=lambda route: (route.path.count("{"), route.method == "ANY"))


@dataclass(frozen=True)
class Response:
    """What a client gets."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)


class Refusal(Exception):
    """The gateway answers itself, as its default gateway responses do.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """

    def __init__(self, status: int, message: str, kind: str, name: str = "message") -> None:
        """`name` is the field of the message: where access is denied, it is `Message`."""
        super().__init__(message)
        body = json.dumps({name: message}).encode()
        self.response = Response(status, body, [JSON_CONTENT, ("x-amzn-ErrorType", kind)])


@dataclass(frozen=True)
class Request:
    """An HTTP request. `path` is below the stage, as it came: parameters are still encoded."""

    id: str
    api: str
    stage: str
    method: str
    path: str
    query: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    source: str

    @classmethod
    def of(cls, environ: dict[str, Any]) -> "Request":
        """Raises Refusal for too large a body."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > LARGEST_BODY_BYTES:
            raise Refusal(413, "Request Too Long", "RequestTooLargeException")
        target = urlsplit(environ["REQUEST_URI"])
        api, _, rest = target.path.removeprefix(PREFIX).partition("/")
        stage, _, path = rest.partition("/")
        return cls(
            id=str(uuid.uuid4()),
            api=api,
            stage=stage,
            method=environ["REQUEST_METHOD"],
            path="/" + path.strip("/"),
            query=target.query,
            url=f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI']}",
            headers=environ[RAW_HEADERS],
            body=environ["wsgi.input"].read(length),
            source=environ["REMOTE_ADDR"],
        )


class Gateway:
    """A WSGI application: every REST API of the stack."""

    def __init__(self, functions: FunctionHost, authoriser: Authoriser) -> None:
        self._functions = functions
        self._authoriser = authoriser
        self._apis: dict[tuple[str, str], list[Route]] = {}

    def serve(self, resources: dict[str, Any], stack: Any) -> None:
        """Serve every stage of a template's APIs, as they are in the stack that it made."""
        for resource in resources.values():
            if resource["Type"] == Stage.resource_type:
                stage = resolved(resource, stack)["Properties"]
                api = resources[resource["Properties"]["RestApiId"]["Ref"]]
                body = resolved(api, stack)["Properties"]["Body"]
                self._apis[stage["RestApiId"], stage["StageName"]] = routes(body)

    @property
    def addresses(self) -> list[str]:
        """The path of each API and stage below the endpoint."""
        return [f"{PREFIX}{api}/{stage}" for api, stage in self._apis]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            request = Request.of(environ)
            response = self._within_time(lambda: self._answer(request))
        except Refusal as refusal:
            response = refusal.response
        headers = [*response.headers, ("Content-Length", str(len(response.body)))]
        start_response(f"{response.status} -", headers)
        return [response.body]

    def _within_time(self, answer: Callable[[], Response]) -> Response:
        """The answer, worked on as time on the clock allows. What works then goes on working."""
        responses: list[Response] = []

        def work() -> None:
            try:
                responses.append(answer())
            except Refusal as refusal:
                responses.append(refusal.response)

        worker = WorkerThread(name="api", target=work)
        worker.start()
        try:
            worker.join(INTEGRATION_SECONDS)
        except ClockStopped:
            raise Refusal(503, "Service Unavailable", "ServiceUnavailableException") from None
        if worker.is_alive():
            raise Refusal(504, "Endpoint request timed out", "InternalServerErrorException")
        return responses[0]

    def _answer(self, request: Request) -> Response:
        if (request.api, request.stage) not in self._apis:
            raise Refusal(403, "Forbidden", "ForbiddenException")
        for route in self._apis[request.api, request.stage]:
            parameters = route.takes(request.method, request.path)
            if parameters is not None:
                caller = self._authenticated(request) if route.by_iam else None
                event = proxy_event(request, route, parameters, caller)
                invocation = self._functions.invoke(route.function, json.dumps(event).encode())
                response = response_of(invocation.outcome.payload)
                response.headers.append(("x-amzn-RequestId", request.id))
                return response
        raise missing_token()

    def _authenticated(self, request: Request) -> Caller:
        try:
            caller = caller_of(
                "execute-api", request.method, request.url, request.headers, request.body
            )
        except Unsigned:
            raise missing_token() from None
        except WrongSignature as error:
            raise Refusal(403, str(error), "InvalidSignatureException") from None
        method = f"{request.api}/{request.stage}/{request.method}{request.path}"
        access = Access("execute-api:Invoke", arn("execute-api", method))
        if caller.role and not self._authoriser.allows(caller.role, access):
            text = denial(caller.arn, access)
            raise Refusal(403, text, "AccessDeniedException", name="Message")
        return caller


def missing_token() -> Refusal:
    """Also what a path or method gets that the API does not have."""
    return Refusal(403, "Missing Authentication Token", "MissingAuthenticationTokenException")


def proxy_event(
    request: Request, route: Route, parameters: dict[str, str], caller: Caller | None
) -> dict[str, Any]:
    """The event in the payload format 1.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format

    Unconfirmed: that path parameters are decoded, and that `path` is not.
    """
    headers = multiple(
        (name, value)
        for name, value in [*request.headers, *forwarding_headers(request)]
        if name.lower() not in CONNECTION_HEADERS
    )
    query = multiple(parse_qsl(request.query, keep_blank_values=True))
    return {
        "resource": route.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": request_context(request, route, caller),
        "body": request.body.decode(errors="replace") or None,
        "isBase64Encoded": False,
    }


def request_context(request: Request, route: Route, caller: Caller | None) -> dict[str, Any]:
    now = clock.now()
    domain = f"{request.api}.execute-api.{REGION}.amazonaws.com"
    agents = [value for name, value in request.headers if name.lower() == "user-agent"]
    return {
        "accountId": ACCOUNT,
        "apiId": request.api,
        "domainName": domain,
        "domainPrefix": request.api,
        "extendedRequestId": secrets.token_urlsafe(11),
        "httpMethod": request.method,
        "identity": {
            "accessKey": caller.access_key if caller else None,
            "accountId": ACCOUNT if caller else None,
            "caller": caller.user_id if caller else None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": request.source,
            "user": caller.user_id if caller else None,
            "userAgent": agents[-1] if agents else None,
            "userArn": caller.arn if caller else None,
        },
        "path": f"/{request.stage}{request.path}",
        "protocol": "HTTP/1.1",
        "requestId": request.id,
        "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": int(now * 1000),
        "resourceId": secrets.token_hex(3),
        "resourcePath": route.path,
        "stage": request.stage,
    }


def forwarding_headers(request: Request) -> list[tuple[str, str]]:
    """Those that the gateway adds."""
    return [
        ("X-Amzn-Trace-Id", f"Root=1-{int(clock.now()):08x}-{secrets.token_hex(12)}"),
        ("X-Forwarded-For", request.source),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]


def multiple(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values by name."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def last(values: dict[str, list[str]]) -> dict[str, str]:
    """The last value by name."""
    return {name: each[-1] for name, each in values.items()}


def response_of(payload: bytes) -> Response:
    """A function's answer as a response.

    Raises Refusal for an error and for whatever does not have the format. Without binary media
    types, a body that is said to be Base64 is sent as it is.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format
    """
    try:
        answer = json.loads(payload)
        if not isinstance(answer, dict) or not set(answer) <= ANSWER_FIELDS:
            raise ValueError
        headers = {name: [_text(value)] for name, value in (answer.get("headers") or {}).items()}
        for name, values in (answer.get("multiValueHeaders") or {}).items():
            headers[name] = [_text(value) for value in values]
        if "content-type" not in map(str.lower, headers):
            headers |= {JSON_CONTENT[0]: [JSON_CONTENT[1]]}
        pairs = [(name, value) for name, values in headers.items() for value in values]
        status = int(answer.get("statusCode", 200))
        return Response(status, (answer.get("body") or "").encode(), pairs)
    except (AttributeError, TypeError, ValueError):
        message = "Internal server error"
        raise Refusal(502, message, "InternalServerErrorException") from None


def _text(value: Any) -> str:
    if not isinstance(value, str | bool | int | float):
        raise ValueError
    return value if isinstance(value, str) else json.dumps(value)
