from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.config.schema import ClassifierConfig, Config, Profile, RoutingConfig
from arawn.errors import ConfigError
from arawn.messages import CompletionRequest, Message, ToolResult
from arawn.routing.classifier import EmbeddingClassifierPolicy
from arawn.routing.embeddings import EmbeddingFailed, OpenAIEmbeddings
from arawn.routing.prototypes import Prototypes, cosine, likeness, prototypes_of
from tests.arawn.routing.asking import asking, layered, rule
from tests.arawn.routing.embedding_server import EmbeddingServer, vector
from tests.fake_provider import FakeProvider, Fault, Reply
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


async def test_a_reload_while_a_vector_is_awaited_costs_no_call(tmp_path: Path) -> None:
    """What the old configuration held open is closed; the call under way is left to the rules."""
    answers = []

    with FakeProvider(Reply(before=Fault.STALL)) as server:
        config = classified(tmp_path, server.address, deadline_s=60)
        async with running(config) as runtime:

            async def ask() -> None:
                answers.append(await runtime.complete(asking(CODE)))

            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    while not server.received:  # noqa: ASYNC110  # a thread receives
                        await trio.sleep(0.01)
                    await runtime.follow(msgspec.structs.replace(config, routing=RoutingConfig()))
                answers.append(await runtime.complete(asking(CODE)))

    reasons = [answer.routing.reason for answer in answers if answer.routing]
    assert reasons[0].startswith("Default; classifier: ")
    assert reasons[1] == "Default"


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
    """Whatever is in it."""
    path = tmp_path / "other.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^routing\.classifier\.file: .*" + words):
        async with running(classified(tmp_path, "http://127.0.0.1:1", file=str(path))):
            pass


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=500, body=b"secret"), "status 500"),
        (Reply(body=b"{}"), "no list of embeddings"),
        (Reply(body=b'{"data": []}'), "0 embeddings for 1 texts"),
        (Reply(body=b'{"data": [{"index": 0, "embedding": []}]}'), "1 embeddings for 1 texts, or of unequal"),
        (Reply(before=Fault.CUT), "Error"),
    ],
)
async def test_a_provider_that_fails_is_one_short_error(reply: Reply, why: str) -> None:
    """Nothing of its answer is in it, since it goes into a record."""
    with FakeProvider(reply) as server:
        embedder = OpenAIEmbeddings("e", custom(server.address), {})
        with pytest.raises(EmbeddingFailed) as caught:
            await embedder.embed(["hi"])
        await embedder.aclose()

    assert why in caught.value.why
    assert "secret" not in str(caught.value)


async def test_a_profile_without_its_key_is_the_same_error() -> None:
    """And says so in two words."""
    embedder = OpenAIEmbeddings("e", Profile(backend="openai", model="m"), {})
    with pytest.raises(EmbeddingFailed, match="profile `e` gave no embeddings: no key"):
        await embedder.embed(["hi"])
    await embedder.aclose()


VECTORS = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.lists(VECTORS, min_size=1, max_size=3), min_size=1), VECTORS)
def test_any_vector_is_nearest_to_some_profile(vectors: dict[str, list[list[float]]], asked: list[float]) -> None:
    """With a confidence within 0..1; one of another length is near to none."""
    learnt = prototypes_of(vectors, model=None)
    nearest = likeness(learnt, asked)

    assert nearest is not None
    assert nearest.profile in vectors
    assert 0 <= nearest.confidence <= 1
    assert likeness(learnt, asked[1:]) is None


@pytest.mark.parametrize("odd", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e300, 1e300]])
def test_a_vector_without_direction_is_like_nothing(odd: list[float]) -> None:
    """Its cosine is 0, not an error."""
    assert cosine(odd, [1.0, 2.0]) == 0.0
