from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import ClassifierConfig, Config, Profile, RoutingConfig
from arawn.errors import ConfigError
from arawn.messages import CompletionRequest, Message, ToolResult
from arawn.routing.classifier import EmbeddingClassifierPolicy
from arawn.routing.embeddings import EmbeddingFailed
from arawn.routing.prepared import routing_obstacles
from arawn.routing.prototypes import Prototypes, prototypes_of
from arawn.routing.router import Router
from tests.arawn.routing.asking import asking, layered, rule
from tests.arawn.routing.embedding_server import EmbeddingServer, counted_closes, vector
from tests.fake_provider import FakeProvider, Fault, Received, Reply
from tests.runtimes import configured, custom, records, running

CODE, WEATHER = "a bug in the code", "rain and wind"
LEARNT = prototypes_of({"capable": [vector(CODE)], "fast": [vector(WEATHER)]}, model="m")
RULES = layered(rule("all", "default", message_count_gt=0))


class Embedder:
    """Gives one answer, or fails, or takes its time."""

    def __init__(self, answer: object = None, seconds: float = 0.0) -> None:
        self._answer = answer
        self._seconds = seconds

    async def embed(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        await trio.sleep(self._seconds)
        if isinstance(self._answer, Exception):
            raise self._answer
        return [vector(text) if self._answer is None else self._answer for text in texts]  # type: ignore[misc]


def policy(embedder: Embedder, threshold: float = 0.5) -> EmbeddingClassifierPolicy:
    return EmbeddingClassifierPolicy(embedder, LEARNT, RULES, threshold=threshold, deadline=0.5)


@pytest.mark.parametrize(
    ("text", "profile"), [("fix this bug in the code", "capable"), ("will it snow or rain", "fast")]
)
async def test_the_nearest_prototype_decides(text: str, profile: str) -> None:
    """Before the rules; its confidence is in the reason."""
    decision = await policy(Embedder()).route(asking(text))

    assert (decision.profile, decision.reason) == (profile, "Classifier(1.00)")
    assert decision.features is not None


@pytest.mark.parametrize(
    ("embedder", "threshold", "why"),
    [
        (Embedder(), 0.9, "0.00 is below 0.9"),
        (Embedder(EmbeddingFailed("e", "status 503")), 0.0, "status 503"),
        (Embedder(ValueError("secret words")), 0.0, "ValueError"),
        (Embedder([1.0]), 0.0, "an embedding of length 1, trained on 4"),
        (Embedder(LEARNT.centre), 0.0, "an embedding without direction"),
        (Embedder(["a", "b"]), 0.0, "ValueError"),
        (Embedder(seconds=1.0), 0.0, "no embedding within 0.5 s"),
    ],
)
async def test_without_a_sure_answer_the_rules_decide_and_the_reason_says_why(
    embedder: Embedder, threshold: float, why: str, autojump_clock: MockClock
) -> None:
    """Unsure, failed, of another length, or late: never longer than the deadline."""
    began = trio.current_time()
    decision = await policy(embedder, threshold).route(asking("nothing of either"))

    assert decision.profile == "default"
    assert decision.reason.startswith("HeuristicRule(all); classifier: ")
    assert decision.reason.endswith(why)
    assert trio.current_time() - began <= 0.5


async def test_a_request_without_text_is_for_the_rules() -> None:
    """There is nothing to embed."""
    request = CompletionRequest(messages=(Message("user", (ToolResult("t"),)),))

    decision = await policy(Embedder(AssertionError())).route(request)

    assert decision.reason == "HeuristicRule(all); classifier: the request has no text"


class SlowEmbeddings(EmbeddingServer):
    """Answers when it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def answer_to(self, request: Received) -> Reply:
        answer = super().answer_to(request)
        self.go_on.wait(10)
        return answer


def written(directory: Path, learnt: Prototypes = LEARNT) -> str:
    path = directory / "prototypes.json"
    path.write_bytes(msgspec.json.encode(learnt))
    return str(path)


def classified(directory: Path, address: str, **classifier: Any) -> Config:
    profiles = {name: Profile(backend="scripted") for name in ("default", "fast", "capable")}
    config = configured(directory, {**profiles, "vectors": custom(address)})
    settings = {"file": written(directory), "embeddings": "vectors", "deadline_s": 5.0, **classifier}
    routing = RoutingConfig(enabled=True, classifier=ClassifierConfig(**settings))
    return msgspec.structs.replace(config, routing=routing)


async def test_the_configured_classifier_routes_and_never_stands_in_the_way_of_a_hint(tmp_path: Path) -> None:
    """`routing.classifier.file` and `embeddings`, over real HTTP; a hint and a binding ask for no vector."""
    with EmbeddingServer() as server:
        async with running(classified(tmp_path, server.address)) as runtime:
            answers = [await runtime.complete(asking(CODE)), await runtime.complete(asking(WEATHER))]
            answers += [await runtime.complete(asking(CODE), profile="fast")]
            answers += [await runtime.workstream("w", profile="fast").send(CODE)]

        assert [answer.profile for answer in answers] == ["capable", "fast", "fast", "fast"]
        assert [sent.path for sent in server.received] == ["/v1/embeddings"] * 2
        assert server.received[0].json() == {"model": "m", "input": [CODE]}

    assert records(tmp_path)[0]["routing"]["confidence"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"threshold": 0.0}, "Classifier(0.32)"),
        ({"threshold": 0.5}, "Default; classifier: capable 0.32 is below 0.5"),
    ],
)
async def test_the_threshold_is_a_setting(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    """`routing.classifier.threshold` says how near is near enough."""
    with EmbeddingServer() as server:
        async with running(classified(tmp_path, server.address, **settings)) as runtime:
            answer = await runtime.complete(asking("bug code code rain rain"))

    assert answer.routing is not None
    assert answer.routing.reason == reason


async def test_an_embeddings_server_that_hangs_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    """`routing.classifier.deadline_s`; the call itself is made."""
    with FakeProvider(Reply(before=Fault.STALL)) as server:
        async with running(classified(tmp_path, server.address, deadline_s=0.05)) as runtime:
            with trio.fail_after(5):
                answer = await runtime.complete(asking(CODE))

    assert answer.routing is not None
    assert answer.routing.reason == "Default; classifier: no embedding within 0.05 s"


@pytest.mark.parametrize("routing", [None, RoutingConfig()])
async def test_a_reload_while_a_vector_is_awaited_changes_nothing_for_the_call(
    tmp_path: Path, routing: RoutingConfig | None
) -> None:
    """What the old configuration held open is closed after its last request; the next call is for the new one."""
    answers = []

    with SlowEmbeddings() as server:
        config = classified(tmp_path, server.address, deadline_s=30)
        async with running(config) as runtime:

            async def ask() -> None:
                answers.append(await runtime.complete(asking(CODE)))

            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    while not server.received:  # noqa: ASYNC110  # a thread receives
                        await trio.sleep(0.01)
                    await runtime.follow(msgspec.structs.replace(config, routing=routing or config.routing))
                    server.go_on.set()
                answers.append(await runtime.complete(asking(CODE)))

    reasons = [answer.routing.reason for answer in answers if answer.routing]
    assert reasons == ["Classifier(1.00)", "Default" if routing else "Classifier(1.00)"]


async def test_a_reload_that_fails_closes_what_it_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time; what is in force stays open."""
    closed = counted_closes(monkeypatch)
    with EmbeddingServer() as server:
        config = classified(tmp_path, server.address)
        broken = {**config.profiles, "fast": Profile(backend="scripted", script=str(tmp_path / "nope.toml"))}
        async with running(config) as runtime:
            before = len(closed)
            for _ in range(3):
                with pytest.raises(ConfigError, match=r"nope\.toml"):
                    await runtime.put_in_force(msgspec.structs.replace(config, profiles=broken))
            assert len(closed) - before == 3
            assert (await runtime.complete(asking(CODE))).profile == "capable"


async def test_a_slow_key_command_is_over_before_the_first_call(tmp_path: Path) -> None:
    """It runs when the router is made ready, once, outside of the deadline for a vector."""
    ran = tmp_path / "ran"
    command = ("sh", "-c", f"echo x >> {ran}; sleep 0.5; echo k")
    with EmbeddingServer() as server:
        config = classified(tmp_path, server.address, deadline_s=0.4)
        vectors = msgspec.structs.replace(config.profiles["vectors"], api_key_command=command)
        config = msgspec.structs.replace(config, profiles={**config.profiles, "vectors": vectors})
        router = Router(config, config.profiles, os.environ)
        await router.start()
        decided = [await router.choose(asking(CODE)) for _ in range(2)]
        await router.aclose()

    assert [each.reason for each in decided] == ["Classifier(1.00)"] * 2
    assert ran.read_text() == "x\n"
    assert server.received[0].headers["authorization"] == "Bearer k"


@pytest.mark.slow
async def test_a_reload_has_the_key_ready_too(tmp_path: Path) -> None:
    """Before it takes effect."""
    with EmbeddingServer() as server:
        config = classified(tmp_path, server.address, deadline_s=0.4)
        vectors = msgspec.structs.replace(config.profiles["vectors"], api_key_command=("sh", "-c", "sleep 0.5; echo k"))
        slow = msgspec.structs.replace(config, profiles={**config.profiles, "vectors": vectors})
        async with running(msgspec.structs.replace(slow, routing=RoutingConfig())) as runtime:
            await runtime.follow(slow)
            answer = await runtime.complete(asking(CODE))

    assert answer.routing is not None
    assert answer.routing.reason == "Classifier(1.00)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory; `arawn route train` writes it"),
        (b"{", "is not what `arawn route train` writes"),
        (b'{"v": 2, "embeddings_model": "m", "centre": [], "profiles": {"fast": []}}', "train it anew"),
        (b'{"embeddings_model": "m", "centre": [1], "profiles": {"fast": [1, 2]}}', "train it anew"),
        (b'{"embeddings_model": "m", "centre": [1], "profiles": {"gone": [1]}}', "trained for the profile `gone`"),
        (b'{"embeddings_model": "n", "centre": [1], "profiles": {"fast": [1]}}', "trained with the model `n`"),
    ],
)
async def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Whatever is in it; and it is found without a start."""
    path = tmp_path / "other.json"
    if content is not None:
        path.write_bytes(content)
    (problem,) = routing_obstacles(classified(tmp_path, "http://127.0.0.1:1", file=str(path)), {})
    assert words in problem
    with pytest.raises(ConfigError, match=r"^routing\.classifier\.file: .*" + words):
        async with running(classified(tmp_path, "http://127.0.0.1:1", file=str(path))):
            pass
