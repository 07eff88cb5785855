import trio

import arawn


async def main() -> None:
    async with arawn.open_runtime() as runtime:  # a path, a Config, or nothing to search
        research = runtime.workstream("research")
        reply = await research.send("What is the capital of France?")
        print(reply.text, reply.usage.output_tokens)

        async with research.stream("And of Spain?") as events:
            async for event in events:
                if isinstance(event, arawn.TextDelta):
                    print(event.text, end="", flush=True)
        print()

        request = arawn.CompletionRequest(messages=(arawn.user("Say OK"),), max_tokens=8)
        response = await runtime.complete(request, tags={"job": "42"})  # no conversation
        print(response.text, response.interaction_id)


trio.run(main)
