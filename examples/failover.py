"""One profile after another: if the first cannot answer, the next is asked the same in the same conversation."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

import arawn
from arawn.config.schema import RetryConfig

PROVIDER_IS_DOWN = (
    arawn.Unavailable,  # at once, while the profile rests after five failures
    arawn.Overloaded,
    arawn.RateLimited,
    arawn.ConnectionFailed,
    arawn.TimedOut,
    arawn.BadReply,
)
DOWN = {"steps": [{"error": {"status": 503, "message": "overloaded"}}]}  # plays a provider


async def ask(conversation: arawn.Workstream, text: str, *profiles: str) -> arawn.CompletionResponse:
    """Return the answer of the first profile that has one; raise the last error if none has."""
    *others, last = profiles
    for profile in others:
        try:
            return await conversation.send(text, profile=profile)
        except PROVIDER_IS_DOWN as error:  # the conversation is as it was, so it can be said again
            print(f"{profile}: {error}")
    return await conversation.send(text, profile=last)


async def main(directory: Path) -> None:
    script = directory / "down.json"
    script.write_text(json.dumps(DOWN))
    once = RetryConfig(attempts=1)  # the next profile is asked at once, not after four attempts
    profiles = {
        "default": arawn.Profile(backend="scripted", script=str(script), retry=once),
        "backup": arawn.Profile(backend="scripted"),
    }
    environ = {"ARAWN_CONFIG_DIR": str(directory), "ARAWN_STATE_DIR": str(directory)}  # your log stays free of all this
    async with arawn.open_runtime(arawn.Config(profiles=profiles), environ=environ) as runtime:
        reply = await ask(runtime.workstream("failover"), "What is the capital of France?", "default", "backup")
        print(f"{reply.profile}: {reply.text}")


logging.basicConfig(level=logging.ERROR)  # that a profile is `degraded` is told above
with TemporaryDirectory() as directory:
    trio.run(main, Path(directory))
