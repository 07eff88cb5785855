"""A conversation that has become too long goes on in a new one, which knows a summary of the old one."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

import arawn

SCRIPT = {  # stands in for a model: what it would answer, call by call
    "steps": [
        {"text": "Paris."},
        {"error": {"status": 400, "code": "context_length_exceeded"}},
        {"text": "The user asks for capitals. That of France is Paris."},
        {"text": "Madrid."},
    ]
}
TASK = "Sum up this conversation for somebody who is to go on with it: facts, decisions, what is still to be done."
SUMMED_UP = 40_000  # characters of it, the last ones: a summary must not be too long to ask for


async def continued(runtime: arawn.Runtime, name: str, then: str) -> arawn.Workstream:
    """Begin the conversation `then`, with the settings of `name` and a summary of it as system prompt."""
    old = await runtime.stored_workstream(name)
    assert old is not None
    said = [
        f"{message.role}: {block.text}"
        for message in old.history
        for block in message.content
        if isinstance(block, arawn.Text)
    ]
    request = arawn.CompletionRequest(messages=(arawn.user("\n\n".join(said)[-SUMMED_UP:]),), system=TASK)
    summary = await runtime.complete(request, profile=old.profile, tags={"summary_of": name})
    system = f"{old.system_prompt or ''}\n\nWhat was said before:\n{summary.text}".strip()
    new = runtime.workstream(then)
    await new.create(profile=old.profile, system_prompt=system, tags=old.tags)
    await runtime.workstream(name).archive()
    return new


async def main(directory: Path) -> None:
    script = directory / "script.json"
    script.write_text(json.dumps(SCRIPT))
    config = arawn.Config(profiles={"default": arawn.Profile(backend="scripted", script=str(script))})
    environ = {"ARAWN_CONFIG_DIR": str(directory), "ARAWN_STATE_DIR": str(directory)}  # your log stays free of all this
    async with arawn.open_runtime(config, environ=environ) as runtime:
        talk = runtime.workstream("capitals")
        for question in ("What is the capital of France?", "And of Spain?"):
            try:
                reply = await talk.send(question)
            except arawn.ContextTooLong:
                talk = await continued(runtime, "capitals", then="capitals-2")
                reply = await talk.send(question)
            print(f"{talk.name}: {reply.text}")


with TemporaryDirectory() as directory:
    trio.run(main, Path(directory))
