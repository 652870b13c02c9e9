"""The parent of all function processes: imports what they share once, then forks one per request.

A program, started by `FunctionHost`; it reads requests from a socket and ends when the socket is
closed. A request is JSON with `environment`, `path` (folders to import from), `clock` (the file
that holds the virtual offset, or null) and `hook` (a module's file and an argument, or null: the
module's `install` is called with it before the function is imported) and carries one file
descriptor for the function's output; the answer is the process id. A function's process dies with
this one.
"""

import contextlib
import ctypes
import datetime
import functools
import gc
import importlib
import importlib.util
import json
import mmap
import os
import signal
import socket
import ssl
import struct
import sys
import tempfile
import time

SHARED = (
    "aws_lambda_powertools",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parameters",
    "aws_xray_sdk.core",
    "boto3",
    "boto3.dynamodb.conditions",
    "boto3.dynamodb.transform",
    "botocore.auth",
    "httpcore",
    "httpx",
    "pydantic",
    "pydantic.fields",
    "pydantic.functional_serializers",
    "pydantic.main",
    "pydantic.networks",
    "pydantic.type_adapter",
    "pydantic.types",
    "simplejson",
    "tomllib",
)
"""Third-party modules only: the project's own code is imported afresh in every function, and so is
awslambdaric, whose native client reads the Runtime API's address when it is imported."""

SERVICES = ("dynamodb", "events", "secretsmanager", "sqs", "ssm", "stepfunctions")
"""Those whose description boto3 reads once for all functions, which takes longer than a call."""

PR_SET_PDEATHSIG = 1


def keep_installed_packages() -> None:
    """Leave only installed packages importable: of the project, a function sees its own code and
    its layers, not what an editable installation puts on the path."""
    sys.path[:] = [
        folder for folder in sys.path if folder.startswith((sys.prefix, sys.base_prefix))
    ]
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not getattr(finder, "__module__", "").startswith("__editable__")
    ]


def read_service_descriptions() -> None:
    """Let boto3's default session keep what it reads from its package for each service.

    A function takes its region, endpoint and credentials from its own environment: since they are
    given here, the session does not look for any.
    """
    import boto3

    given = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "none")
    for service in SERVICES:
        boto3.client(service, region_name="us-east-1", **given)
    boto3.resource("dynamodb", region_name="us-east-1", **given)


def look_for_plugins() -> None:
    """Let pydantic look into every installed package for plugins of its own, as it does before it
    builds the first model."""
    from pydantic import BaseModel

    class First(BaseModel):
        pass


def read_certificates() -> None:
    """Let every HTTP client of a function share what the first one reads."""
    import httpx

    ssl.create_default_context = functools.cache(ssl.create_default_context)
    httpx.create_ssl_context(trust_env=False)  # a function has no settings for it


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends; other systems close its API instead."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def follow_clock(path: str) -> None:
    """Let `time.time` and `datetime.now` of this process run on the offset in the file."""
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    real_time = time.time
    real_datetime = datetime.datetime

    def virtual_time() -> float:
        return real_time() + struct.unpack("d", shared[:8])[0]

    class SameAsDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real_datetime)

    class VirtualDatetime(real_datetime, metaclass=SameAsDatetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return real_datetime.fromtimestamp(virtual_time(), tz)

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return real_datetime.fromtimestamp(virtual_time(), datetime.UTC).replace(tzinfo=None)

    time.time = virtual_time
    time.time_ns = lambda: int(virtual_time() * 1_000_000_000)
    datetime.datetime = VirtualDatetime


def load_hook(file: str, argument: str) -> None:
    """Install what a test puts into the process; it may import what lies beside it."""
    beside = [os.path.dirname(file)]
    spec = importlib.util.spec_from_file_location("hook", file, submodule_search_locations=beside)
    sys.modules["hook"] = hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    hook.install(argument)


def become_function(request: dict, output: int) -> None:
    """Turn this forked process into the sandbox of one function; never returns."""
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["path"][0])
    sys.path[:0] = request["path"]
    sys.argv = ["bootstrap", request["environment"]["_HANDLER"]]
    if request["clock"]:
        follow_clock(request["clock"])
    if request["hook"]:
        load_hook(*request["hook"])
    from awslambdaric.__main__ import main

    main(sys.argv)


def serve(requests: socket.socket) -> None:
    """Fork a function for each request until the socket is closed."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 1)
        if not message:
            return
        process = os.fork()
        if process == 0:
            status = 1
            try:
                requests.close()
                become_function(json.loads(message), descriptors[0])
            except SystemExit as exit:
                status = exit.code if isinstance(exit.code, int) else 1
            finally:
                os._exit(status)
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(process).encode())


if __name__ == "__main__":
    keep_installed_packages()
    for module in SHARED:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    for prepare in (read_service_descriptions, look_for_plugins, read_certificates):
        with contextlib.suppress(ImportError):
            prepare()
    # What is there now stays: no function's garbage collector need look at it, and copy it by that.
    gc.freeze()
    # The kernel reaps the functions' processes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # A function's modules are compiled by its first process alone, and leave nothing beside them.
    sys.dont_write_bytecode = False
    with tempfile.TemporaryDirectory(prefix="local-cloud-bytecode-") as sys.pycache_prefix:
        serve(socket.socket(fileno=int(sys.argv[1])))
