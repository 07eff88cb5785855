"""What does choosing the profile add to a call: the features of 2 kB, and a whole decision by ten rules?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import perf_counter

import trio

from arawn.config.schema import Config, Profile, RoutingConfig, RoutingRule
from arawn.messages import CompletionRequest, Message, Text, user
from arawn.routing.features import FeatureScanner
from arawn.routing.layered import LayeredPolicy
from arawn.routing.router import Router
from benchmarks.measure import Comparison, Run, alternate

TIMES = 5_000
BUDGET_US = 50
WORDS = "the quick brown fox jumps over the lazy dog and then it rests a while in the warm sun of an afternoon "


def request(size: int, messages: int = 1) -> CompletionRequest:
    """Return a request whose last message has `size` characters and no keyword: each is looked for to its end."""
    text = (WORDS * (size // len(WORDS) + 1))[:size]
    before = (Message("user", (Text("hello"),)), Message("assistant", (Text("hello"),))) * (messages // 2)
    return CompletionRequest(messages=(*before, user(text)))


def _repeated(work: Callable[[], object]) -> Run:
    def run() -> int:
        for _ in range(TIMES):
            work()
        return TIMES

    return run


def _busy(microseconds: float) -> Callable[[], None]:
    """Return work that takes the time that is allowed."""
    seconds = microseconds / 1e6

    def wait() -> None:
        end = perf_counter() + seconds
        while perf_counter() < end:
            pass

    return wait


def _rules() -> RoutingConfig:
    """Return ten rules, none of which matches."""
    rules = (RoutingRule(f"r{n}", {"has_tools": True, "message_length_gt": n}, "default") for n in range(10))
    return RoutingConfig(enabled=True, rules=tuple(rules))


def _awaited(router: Router, asked: CompletionRequest) -> Run:
    async def choose() -> None:
        for _ in range(TIMES):
            await router.choose(asked)

    def run() -> int:
        trio.run(choose)
        return TIMES

    return run


def run() -> Iterator[Comparison]:
    """Compare with the 50 µs that features of 2 kB may take, and with decoding the request of the same size."""
    asked, large, profiles = request(2_000), request(2_000_000), {"default": Profile(backend="scripted")}
    scanner = FeatureScanner(RoutingConfig())
    body = json.dumps({"messages": [{"role": "user", "content": (WORDS * 20)[:2_000]}]})
    allowed = _repeated(_busy(BUDGET_US))
    yield alternate(
        "The features of a request of 2 kB",
        {
            "features, 2 kB": _repeated(lambda: scanner.features(asked)),
            "50 µs": allowed,
            "features, 2 MB": _repeated(lambda: scanner.features(large)),
            "json.loads of the same 2 kB": _repeated(lambda: json.loads(body)),
        },
        target="<= 50 µs",
        at_least=1.0,
    )
    layered = LayeredPolicy(_rules(), default="default", known=profiles)
    on = Router(Config(profiles=profiles, routing=_rules()), profiles, {})
    off = Router(Config(profiles=profiles), profiles, {})
    yield alternate(
        "A whole decision, ten rules, none of them matching",
        {
            "router on, 2 kB": _awaited(on, asked),
            "100 µs": _repeated(_busy(2 * BUDGET_US)),
            "the rules alone": _repeated(lambda: layered.decide(asked)),
            "router off": _repeated(lambda: off.settled(hint=None, bound=None)),
        },
        target="<= 100 µs",
        at_least=1.0,
    )
