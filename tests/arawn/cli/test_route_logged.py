"""`arawn route replay` and `arawn route train`, over the calls of a real log."""

from __future__ import annotations

import json
import re

import pytest
import trio

import arawn
from arawn.interactions.feedback import Judgement
from arawn.messages import CompletionRequest, user
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import ROUTED, Place
from tests.arawn.routing.embedding_server import CODE, WEATHER, EmbeddingServer
from tests.fake_provider import FakeProvider, Reply


def chat(command: Command, *texts: str) -> None:
    for text in texts:
        assert command("ask", text, "--workstream", "w").code == 0


def test_a_replay_shows_what_would_go_elsewhere_and_calls_nobody(routed: Command, place: Place) -> None:
    """The table of changes with calls and tokens; the log is as it was."""
    chat(routed, "hi", "hello", "something that is longer")
    other = place.directory / "other.toml"
    other.write_text(ROUTED.replace("message_length_lt = 20", "message_length_lt = 3"))
    before = [path.read_bytes() for path in sorted(place.log.glob("*.jsonl"))]

    shown = routed("route", "replay", "--config", "other.toml", "--since", "1h")
    told = json.loads(routed("route", "replay", "--config", "other.toml", "--json").out)

    assert shown.code == 0
    assert "1 call (" in shown.out
    assert "of 3 calls (" in shown.out
    ((change),) = told["changes"]
    assert (change["was"], change["now"], change["counted"]["calls"], change["reason"]) == (
        "fast",
        "default",
        1,
        "Default",
    )
    assert [path.read_bytes() for path in sorted(place.log.glob("*.jsonl"))] == before


def test_a_replay_names_what_it_does_not_ask(routed: Command, place: Place) -> None:
    """A policy could do anything, and a classifier needs a server."""
    chat(routed, "hi")
    (place.directory / "other.toml").write_text(ROUTED.replace("enabled = true", 'enabled = true\npolicy = "a:b"'))

    assert "only rules and default are replayed" in routed("route", "replay", "--config", "other.toml").err


def test_a_replay_reads_the_log_it_is_given(routed: Command, place: Place) -> None:
    """`--log`, and a plain word when there is none."""
    chat(routed, "hi")

    assert "0 calls (0 tokens in, 0 out) of 1 call" in routed("route", "replay", "--log", str(place.log)).out
    assert routed("route", "replay", "--log", "nowhere").code == 2


def judged(place: Place, address: str, *, labels: dict[str, str]) -> None:
    """Log requests, all of which went to one profile, and say of each what `labels` says of its kind."""
    vectors = (
        f'[llm_profiles.vectors]\nbackend = "custom"\ndialect = "openai"\nmodel = "m"\nbase_url = "{address}/v1"\n'
    )
    place.configure(ROUTED.partition("[[routing.rules]]")[0] + vectors)

    async def ask_and_judge() -> None:
        async with arawn.open_runtime(environ=place.environ) as runtime:
            for words in range(6):
                for kind, text in ((CODE, "code"), (WEATHER, "weather")):
                    asked = CompletionRequest(messages=(user(f"{kind[words]} {kind[words - 1]}"),))
                    made = (await runtime.complete(asked)).interaction_id
                    assert made is not None
                    await runtime.give_feedback(made, Judgement(labels[text]))

    trio.run(ask_and_judge)


def test_training_writes_what_is_better_and_the_configuration_uses_it(routed: Command, place: Place) -> None:
    """From judged calls to a classifier that decides, all with commands."""
    with EmbeddingServer() as server:
        judged(place, server.address, labels={"code": "good", "weather": "bad"})
        measured = json.loads(routed("route", "evaluate", "--embeddings", "vectors", "--json", "-q").out)
        trained = routed("route", "train", "--embeddings", "vectors", "--output", "prototypes.json")
        settings = '[routing.classifier]\nfile = "prototypes.json"\nembeddings = "vectors"\ndeadline_s = 10\n'
        path = place.directory / "config" / "config.toml"
        path.write_text(path.read_text() + settings)
        explained = json.loads(routed("route", "explain", "rain in a storm", "--json").out)

    assert (measured["requests"], measured["accuracy"], measured["accuracy_now"]) == (12, 1.0, 0.5)
    assert (trained.code, measured["p_value"]) == (0, 0.5**6)
    assert "accuracy    100.0% (95 % interval 75.8% to 100.0%)" in trained.out
    assert (place.directory / "prototypes.json").stat().st_mode & 0o777 == 0o600
    assert (explained["profile"], explained["reason"]) == ("fast", "Classifier(1.00)")


def test_training_refuses_what_is_not_better(routed: Command, place: Place) -> None:
    """Calls that were all right where they went leave nothing to gain; no file, exit code 1."""
    with EmbeddingServer() as server:
        judged(place, server.address, labels={"code": "good", "weather": "fast"})
        (place.directory / "arawn.toml").write_text('[routing]\ndefault = "fast"\n')
        refused = routed("route", "train", "--embeddings", "vectors", "--output", "prototypes.json", "--limit", "8")

    assert refused.code == 1
    assert "nothing is written: the classifier is not better than the rules (p = 0.062 > 0.05)" in refused.err
    assert not (place.directory / "prototypes.json").exists()


def test_training_says_what_it_lacks(routed: Command, place: Place) -> None:
    """A profile for embeddings, a place to write, judged calls, two profiles, a server that answers."""
    vectors = ("--embeddings", "vectors")
    assert "give `--embeddings PROFILE`" in routed("route", "evaluate").err
    assert "give `--output FILE`" in routed("route", "train", *vectors).err
    with FakeProvider(Reply(status=503)) as server:
        place.configure(ROUTED)
        chat(routed, "hi")
        assert "no judged call says which profile is right" in routed("route", "evaluate", "--embeddings", "fast").err
        judged(place, server.address, labels={"code": "good", "weather": "good"})
        failed = routed("route", "evaluate", *vectors)
    with EmbeddingServer() as server:
        path = place.directory / "config" / "config.toml"
        path.write_text(re.sub("http://[0-9.:]+", server.address, path.read_text()))
        few = routed("route", "evaluate", *vectors)

    assert (failed.code, failed.err.splitlines()[-1]) == (1, "arawn: profile `vectors` gave no embeddings: status 503")
    assert (few.code, "belong to 1 profiles; at least two are needed" in few.err) == (2, True)


def test_training_says_what_does_not_count(routed: Command, place: Place) -> None:
    """Labels of something else, and texts that come again: they neither train nor hide an earlier judgement."""
    with EmbeddingServer() as server:
        judged(place, server.address, labels={"code": "good", "weather": "bad"})
        assert routed("interactions", "feedback", "latest", "latency", "--value", "3.2").code == 0
        assert routed("ask", "rain storm").code == 0
        assert routed("interactions", "feedback", "latest", "fast").code == 0
        shown = routed("route", "evaluate", "--embeddings", "vectors")
        quiet = routed("route", "evaluate", "--embeddings", "vectors", "--quiet")

    assert "not counted: 1 judgements have a label that is neither `good`, `bad`" in shown.err
    assert "not counted: 1 judged calls have the text of a later one" in shown.err
    assert "fast     6" in shown.out
    assert quiet.err == ""


@pytest.mark.parametrize(
    ("output", "words"), [("nowhere/p.json", "`nowhere` is no directory"), (".", "`.` is a directory")]
)
def test_training_looks_at_the_place_for_its_file_first(routed: Command, place: Place, output: str, words: str) -> None:
    """Before a single vector is asked for."""
    with EmbeddingServer() as server:
        judged(place, server.address, labels={"code": "good", "weather": "bad"})
        failed = routed("route", "train", "--embeddings", "vectors", "--output", output)

        assert server.received == []
    assert (failed.code, words in failed.err) == (2, True)
