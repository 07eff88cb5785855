"""Servers that others have written, as providers: two mocks with the same three answers, and llama.cpp."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from arawn.config.schema import Profile, RetryConfig
from tests.arawn.server.sdk.node_clients import installed, needs_node
from tests.system.test_local_model import llama_server

__all__ = ["LOOKED", "LOOK_TEXT", "REFUSED", "REFUSED_TEXT", "SERVERS", "TEXT", "profile_of"]

TEXT = "Paris it is"
LOOK_TEXT = "use your tools"
LOOKED = {"at": "map"}
REFUSED_TEXT = "what is your limit"
REFUSED = "the provider's own words"

FAKELLM_RULES = {
    "version": 1,
    "rules": [
        {
            "name": "look",
            "when": {"messages_contain": LOOK_TEXT},
            "respond": {"tool_calls": [{"name": "look", "arguments": LOOKED}]},
        },
        {"name": "no", "when": {"messages_contain": REFUSED_TEXT}, "respond": {"status": 429, "error": REFUSED}},
        {"name": "text", "respond": {"content": TEXT}},
    ],
}
_CALL = {"name": "look", "arguments": json.dumps(LOOKED)}
_ERROR = {"message": REFUSED, "type": "rate_limit_error"}
AIMOCK_RULES = {
    "fixtures": [
        {"match": {"userMessage": LOOK_TEXT}, "response": {"toolCalls": [_CALL]}},
        {"match": {"userMessage": REFUSED_TEXT}, "response": {"error": _ERROR, "status": 429}},
        {"match": {"userMessage": "hi"}, "response": {"content": TEXT}},
    ]
}


@contextmanager
def fakellm(directory: Path) -> Iterator[tuple[str, str]]:
    """Run the mock server `fakellm` of PyPI; yields its address and a key."""
    pytest.importorskip("fakellm", reason="`fakellm` is not installed")
    rules = directory / "fakellm.yaml"
    rules.write_text(json.dumps(FAKELLM_RULES))  # JSON is YAML
    with socket.create_server(("127.0.0.1", 0)) as listener:  # a client may connect before the server has started
        command = [sys.executable, "-m", "uvicorn", "fakellm.server:app", "--fd", str(listener.fileno())]
        environ = {**os.environ, "FAKELLM_CONFIG": str(rules)}
        with ended(subprocess.Popen(command, env=environ, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", "none"


@contextmanager
def aimock(directory: Path) -> Iterator[tuple[str, str]]:
    """Run the mock server of npm that `aimock-pytest` of PyPI runs; yields its address and a key."""
    needs_node()
    rules = directory / "aimock.json"
    rules.write_text(json.dumps(AIMOCK_RULES))
    program = installed() / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = ["node", str(program), "--port", "0", "--fixtures", str(rules)]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as child:
        assert child.stdout is not None
        yield next(line.split()[-1] for line in child.stdout if "listening on" in line), "none"


@contextmanager
def llama(directory: Path) -> Iterator[tuple[str, str]]:
    """Run llama.cpp with a small model; yields its address and key."""
    pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")
    with llama_server() as served:
        yield served


SERVERS: dict[str, Callable[[Path], AbstractContextManager[tuple[str, str]]]] = {
    "fakellm": fakellm,
    "aimock": aimock,
    "llama.cpp": llama,
}


@contextmanager
def ended(child: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """End the process with the block."""
    with child:
        try:
            yield child
        finally:
            child.kill()


def profile_of(dialect: str, served: tuple[str, str], **settings: Any) -> Profile:
    """Return a profile that asks the server in `dialect`, once."""
    address, key = served
    base_url = f"{address}/v1" if dialect == "openai" else address
    once = RetryConfig(attempts=1)
    more: dict[str, Any] = {"dialect": dialect, "base_url": base_url, "api_key": key, **settings}
    return Profile(backend="custom", model="smol", retry=once, **more)
