from pathlib import Path

import trio

import arawn
from arawn.routing import RoutingDecision

CONFIG = Path(__file__).with_name("routing.toml")


class QuestionsAreFast:
    def route(self, request: arawn.CompletionRequest) -> RoutingDecision:  # `async def` does as well
        last = request.messages[-1].content[-1]
        if isinstance(last, arawn.Text) and last.text.endswith("?"):
            return RoutingDecision("fast", "Question", confidence=0.9)
        return RoutingDecision("default", "NoQuestion")


async def main() -> None:
    async with arawn.open_runtime(CONFIG, policy=QuestionsAreFast()) as runtime:
        for text in ("What is the capital of France?", "Write a poem."):
            answer = await runtime.workstream("travel").send(text)
            assert answer.routing is not None
            print(answer.profile, answer.routing.reason, answer.routing.confidence)


trio.run(main)
