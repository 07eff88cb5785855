"""An MCP server over stdio that does what it should not; its first argument says what. No package is needed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

MODE = sys.argv[1] if len(sys.argv) > 1 else ""
PICTURE = {"type": "image", "mimeType": "image/svg+xml", "data": "aGk="}


def listed(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


TOOLS = [
    listed("huge"),
    listed("picture"),
    listed("strange", outputSchema={"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    listed("shapeless"),
    listed("garbage"),
    listed("never"),
    listed("fine"),
    listed("a.b"),
    listed("a_b"),
    listed("a b"),
    listed("slow"),
    listed("refuses"),
]


def text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def result_of(number: int, tool: str) -> dict[str, Any] | None:
    match tool:
        case "huge":
            return text("x" * 3_000_000)
        case "picture":
            return {"content": [PICTURE]}
        case "strange":
            return {"content": [], "structuredContent": {"a": "no number"}}
        case "shapeless":
            return {"content": "no list"}
        case "garbage":
            sys.stdout.write("this is no JSON\n\x00\xff\n")
            return text("after the garbage")
        case "never":
            return None
        case "refuses":
            say({"id": number, "error": {"code": -32600, "message": "not like this"}})
            return None
        case "slow":
            threading.Timer(1.0, say, [{"id": number, "result": text("slow")}]).start()
            return None
    return text(tool)


def answer(number: int, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            if MODE == "hangs at the start":
                return None
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "rude", "version": "1"},
            }
        case "tools/list":
            if MODE == "hangs at the list":
                return None
            more = {"nextCursor": "again"} if MODE == "lists for ever" else {}
            return {"tools": TOOLS, **more}
        case "tools/call":
            return result_of(number, params["name"])
    return {}


def main() -> None:
    if MODE == "says why":
        sys.stderr.write("there is no database here")
        sys.exit(1)
    if MODE == "does not end":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stderr.write(f"pid {os.getpid()}\n")
    sys.stderr.flush()
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        if message["method"] == "server/discover":
            say({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
            continue
        result = answer(message["id"], message["method"], message.get("params") or {})
        if result is not None:
            say({"id": message["id"], "result": result})
    if MODE == "does not end":
        time.sleep(600)


main()
