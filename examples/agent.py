import json
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

import arawn
from arawn.agent import ToolEnded, ToolStarted, tool

ROOMS = {"kitchen": 19.5, "study": 22.0}

SCRIPT = {  # stands in for a model: what it would answer, call by call
    "steps": [
        {
            "text": "Let me look.",
            "tool_calls": [
                {"name": "temperature", "arguments": {"room": "kitchen"}},
                {"name": "temperature", "arguments": {"room": "attic"}},
            ],
        },
        {"tool_calls": [{"name": "heat", "arguments": {"room": "kitchen", "degrees": 21}}]},
        {"text": "The kitchen was cold; I turned the heating up. There is no attic."},
        {"tool_calls": [{"name": "temperature", "arguments": {"room": "kitchen"}}]},
        {"text": "It is."},
    ]
}


@tool(read_only=True)
def temperature(room: str) -> float:
    """Return the temperature of a room in degrees."""
    return ROOMS[room]


async def heat(room: str, degrees: float) -> str:
    """Heat a room up to so many degrees."""
    await trio.sleep(0.01)
    ROOMS[room] = degrees
    return f"the {room} will have {degrees:g} degrees"


async def main(directory: Path) -> None:
    script = directory / "script.json"
    script.write_text(json.dumps(SCRIPT))
    config = arawn.Config(profiles={"default": arawn.Profile(backend="scripted", script=str(script))})
    environ = {"ARAWN_CONFIG_DIR": str(directory), "ARAWN_STATE_DIR": str(directory)}  # your log stays free of all this
    async with arawn.open_runtime(config, environ=environ) as runtime:
        home = runtime.workstream("home")
        async with home.stream("Make it warm everywhere.", tools=[temperature, heat]) as events:
            async for event in events:
                if isinstance(event, ToolStarted):
                    print(f"{event.name} {event.arguments}")
                elif isinstance(event, ToolEnded):
                    print(f"  {event.text}")

        reply = await home.send("Is it warm now?", tools=[temperature, heat])
        print(reply.text)
        print(f"{reply.iterations} calls to the model, {'cut off' if reply.truncated else 'finished'}")


with TemporaryDirectory() as directory:
    trio.run(main, Path(directory))
