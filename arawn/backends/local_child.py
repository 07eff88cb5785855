"""The program of a local model server: one llama.cpp server, alive for as long as its parent holds its input open.

Run as `python -m arawn.backends.local_child`. One JSON line of settings comes in on standard input, which keeps the key
out of the process list; one JSON line with the address goes out on standard output.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

__all__ = ["main"]


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
    answers.write(json.dumps({"address": server.listening_address}) + "\n")
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


if __name__ == "__main__":
    main()
