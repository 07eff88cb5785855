from pathlib import Path

import trio

import arawn

CONFIG = Path(__file__).with_name("routing.toml")


async def main() -> None:
    async with arawn.open_runtime(CONFIG) as runtime:
        for text in ("What is the capital of France?", "Refactor this function step by step."):
            request = arawn.CompletionRequest(messages=(arawn.user(text),))
            answer = await runtime.complete(request)
            assert answer.routing is not None
            print(answer.profile, answer.routing.reason, answer.routing.features["keyword_signals"])

        hinted = await runtime.complete(request, profile="capable")  # a hint beats every rule
        assert hinted.routing is not None
        print(hinted.profile, hinted.routing.reason)

        explanation = await runtime.explain_routing(request)  # nothing is sent to a model
        for rule in explanation.rules:
            print(rule.name, rule.verdict, [(clause.key, clause.found) for clause in rule.decided_by])


trio.run(main)
