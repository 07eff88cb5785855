import trio

import arawn


async def main() -> None:
    async with arawn.open_runtime() as runtime:
        reply = await runtime.workstream("feedback").send("What is the capital of France?")
        if reply.interaction_id is not None:  # the id of its record; None while the log is off
            said = arawn.Judgement("good", value=1.0, note="short, and right")
            line = await runtime.give_feedback(reply.interaction_id, said)
            print(line.interaction_id, line.label, line.value, line.note)


trio.run(main)
