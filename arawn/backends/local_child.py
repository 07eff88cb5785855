"""The program of a local model server: one llama.cpp server, alive for as long as its parent holds its input open.

Run as `python -m arawn.backends.local_child`. One JSON line of settings comes in on standard input, which keeps the key
out of the process list; one JSON line goes out on standard output: the address, and whether the model is told of tools.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

__all__ = ["main"]

_PROBE = "a_tool_to_be_found"


def main() -> None:
    """Serve until standard input ends, as it does at the moment the parent dies."""
    settings = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever native code prints goes to the log, not between the answers
    watch = threading.Thread(target=_exit_at_end_of_input, daemon=True)
    watch.start()
    try:
        server = _serve(settings)
    except RuntimeError as error:  # what the engine says of itself; its reasons stand in the lines before
        sys.exit(str(error))
    address = server.listening_address
    answers.write(json.dumps({"address": address, "tells_tools": _tells_tools(address, settings["key"])}) + "\n")
    answers.flush()
    watch.join()


def _exit_at_end_of_input() -> None:
    """Leave at once, without the clean-up that a thread in native code could hold up."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def _serve(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["key"]]
    params.ui = False
    params.n_parallel = settings["n_parallel"]
    params.n_ctx = settings["n_ctx"] * settings["n_parallel"]  # the server shares it out among the calls
    params.use_jinja = settings["jinja"]
    if settings["n_threads"] is not None:
        params.cpuparams.n_threads = settings["n_threads"]
    return xllamacpp.Server(params)


def _tells_tools(address: str, key: str) -> bool:
    """Say whether the model is told of tools: a chat template without words for them drops them in silence.

    Versions of the engine differ in what they do then, so what would be written for the model is looked at. If that is
    refused, so will be a call with tools, which is not silent.
    """
    tool = {"type": "function", "function": {"name": _PROBE, "parameters": {"type": "object", "properties": {}}}}
    asked = json.dumps({"messages": [{"role": "user", "content": "Hello."}], "tools": [tool]})
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with closing(http.client.HTTPConnection(urlsplit(address).netloc)) as connection:
        connection.request("POST", "/apply-template", asked, headers)
        response = connection.getresponse()
        return _PROBE.encode() in response.read() or response.status != 200


if __name__ == "__main__":
    main()
