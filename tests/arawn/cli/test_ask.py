"""One question: what goes to the model, what comes to stdout, what is said beside it."""

from __future__ import annotations

import json
import os

import pytest

from arawn.interactions.health import LogHealth
from arawn.interactions.journal import Journal
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place


def test_the_answer_is_on_stdout_and_the_account_on_stderr(command: Command, place: Place) -> None:
    """Stdout holds the answer alone; stderr says who gave it, why, at what cost, and where its record is."""
    result = command("ask", "hello", "world")

    assert (result.code, result.out) == (0, "echo: hello world\n")
    account = dict(line.split(maxsplit=1) for line in result.err.splitlines() if line)
    record = json.loads(next(place.log.glob("*.jsonl")).read_text().splitlines()[1])
    assert account["profile"] == "default (the default profile)"
    assert account["model"] == "echo"
    assert account["tokens"] == "2 in, 3 out"
    assert account["record"] == record["id"]
    assert account["log"] == str(next(place.log.glob("*.jsonl")))


def test_what_is_piped_in_is_appended(command: Command) -> None:
    """`cat file | arawn ask summarise` asks about the file."""
    assert command("ask", "-q", "summarise", piped="a file\n").out == "echo: summarise\n\na file\n"
    assert command("ask", "-q", piped="alone").out == "echo: alone\n"


def test_quiet_prints_the_answer_alone(command: Command) -> None:
    """Nothing goes to stderr."""
    result = command("ask", "--quiet", "hi")

    assert (result.out, result.err) == ("echo: hi\n", "")


def test_json_is_one_object_and_nothing_else(command: Command) -> None:
    """Everything that the account says is in it."""
    result = command("ask", "--json", "-p", "fast", "hi")

    answer = json.loads(result.out)
    assert result.err == ""
    assert (answer["text"], answer["profile"], answer["reason"]) == ("echo: hi", "fast", "CallerHint")
    assert answer["usage"]["output_tokens"] == 2
    assert answer["interaction_id"]


def test_settings_of_the_call_reach_the_record(command: Command) -> None:
    """System prompt, session and tags are in the log; without a workstream no conversation is touched."""
    command("ask", "-s", "be brief", "--session", "s1", "--tag", "a=b", "--tag", "c=d=e", "hi")

    record = json.loads(command("interactions", "show", "latest", "--json").out)
    assert (record["system_prompt"], record["session_id"], record["workstream"]) == ("be brief", "s1", None)
    assert record["tags"] == {"a": "b", "c": "d=e", "routing_profile": "default"}
    assert json.loads(command("workstreams", "list", "--json").out) == []


def test_a_workstream_remembers(command: Command) -> None:
    """The second question is asked with the first in its history, and the account names the binding."""
    command("workstreams", "bind", "research", "fast")
    command("ask", "-w", "research", "one")
    result = command("ask", "-w", "research", "two")

    record = json.loads(command("interactions", "show", "latest", "--json").out)
    assert len(record["messages"]) == 3
    assert "fast (workstream `research` is bound to it)" in result.err


def test_texts_are_utf8_whatever_the_locale(command: Command) -> None:
    """Bytes that the locale cannot read, as Python gives them to a program, are not lost on the way to the model."""
    assert command("ask", "-q", "-w", "w\udcc3\udcb6rk", "h\udcc3\udca9llo").out == "echo: héllo\n"
    assert json.loads(command("workstreams", "show", "wörk", "--json").out)["name"] == "wörk"


@pytest.mark.parametrize("arguments", [["ask", "h\udce9llo"], ["ask", "-s", "\udce9", "hi"], ["chat", "-w", "\udce9"]])
def test_what_is_no_utf8_is_wrong_use(command: Command, place: Place, arguments: list[str]) -> None:
    """It is shown, and nothing is sent."""
    result = command(*arguments)

    assert (result.code, result.out) == (2, "")
    assert "is not UTF-8" in result.err
    assert not place.log.exists()


def test_the_name_of_a_file_is_bytes(command: Command, place: Place) -> None:
    """Of any kind: a file may have a name that is no UTF-8."""
    (place.directory / "\udce9.toml").write_text('[llm]\nbackend = "scripted"\n')

    assert command("ask", "-q", "--config", "\udce9.toml", "hi").code == 0


def test_without_a_log_nothing_is_written(command: Command, place: Place) -> None:
    """`--no-log` leaves no file, and says that there is no record."""
    result = command("ask", "--no-log", "hi")

    assert result.code == 0
    assert "the log is off" in result.err
    assert not place.log.exists()


def test_another_file_is_read_alone(command: Command, place: Place) -> None:
    """`--config` stands in for every other file."""
    (place.directory / "other.toml").write_text('[llm]\nbackend = "scripted"\nmodel = "other"\n')

    assert "other" in command("ask", "--config", "other.toml", "hi").err


@pytest.mark.parametrize("arguments", ["ask hi", "chat", "backends list", "backends test"])
def test_a_configuration_that_comes_through_a_pipe_is_read_once(command: Command, arguments: str) -> None:
    """As `--config <(sops -d FILE)` gives it; a second reading would find nothing."""
    reader, writer = os.pipe()
    os.write(writer, b'[llm]\nbackend = "scripted"\nmodel = "piped"\n')
    os.close(writer)

    result = command(*arguments.split(), "--config", f"/dev/fd/{reader}", piped="hi\n")
    os.close(reader)

    assert result.code == 0, result.err


@pytest.mark.slow
def test_the_file_of_the_daemon_finds_it(command: Command, place: Place) -> None:
    """`--config` is accepted if the daemon was started with that very file, whatever its name; of another, refused."""
    runtime = place.environ["ARAWN_RUNTIME_DIR"]
    text = f'[llm]\nbackend = "scripted"\n[server]\nlisten = "127.0.0.1:0"\nsocket = "{runtime}/own.sock"\n'
    for name in ("\udce9.toml", "other.toml"):
        (place.directory / name).write_text(text)
    child = place.popen("start", "--config", "\udce9.toml", errors="replace")
    assert child.stdout is not None
    assert any(line == "ready\n" for line in child.stdout), child.communicate()

    asked = command("ask", "hi", "--config", str(place.directory / "." / "\udce9.toml"))
    refused = command("ask", "hi", "--config", "other.toml")
    child.terminate()
    child.communicate()

    assert (asked.code, asked.out) == (0, "echo: hi\n"), asked.err
    assert (refused.code, refused.out) == (2, "")
    assert "`--config` cannot apply" in refused.err


def test_one_call_starts_no_profile_that_it_does_not_use(command: Command, place: Place) -> None:
    """A default profile without a key does not stand in the way of another one."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "x"\n[llm_profiles.fast]\nbackend = "scripted"\n')

    assert command("ask", "-q", "-p", "fast", "hi").out == "echo: hi\n"


@pytest.mark.parametrize("arguments", ["ask -q -p fast SECRET", "chat -q -p fast", "backends test fast"])
def test_the_secrets_of_profiles_that_do_not_start_reach_no_record(
    command: Command, place: Place, arguments: str
) -> None:
    """What was asked and what was answered hold the key of a profile that this call has no use for."""
    secret, script = "my-weird-secret-9f8a7b6c", place.directory / "says.toml"
    script.write_text(f'[[steps]]\ntext = "it is {secret}"\n')
    place.configure(
        f'llm = {{ backend = "openai", model = "m", api_key = "{secret}" }}\n'
        f'llm_profiles.fast = {{ backend = "scripted", script = "{script}" }}\n'
    )

    result = command(*arguments.replace("SECRET", secret).split(), piped=f"{secret}\n")

    assert result.code == 0, result.err
    log = next(place.log.glob("*.jsonl")).read_text()
    assert "it is" in log
    assert secret not in log


@pytest.mark.slow
def test_a_failed_answer_is_one_message(place: Place) -> None:
    """What its retries log stays off the terminal, in a process that nothing else has set up."""
    script = place.directory / "cut.toml"
    script.write_text('[[steps]]\nerror = { status = 500, message = "down" }\n')
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\nretry = {{ initial_s = 0.0, attempts = 3 }}\n')

    result = place.run("ask", "hi")

    assert result.returncode == 1
    assert result.stderr.startswith("arawn: profile `default`")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["-p", "nope", "hi"], ["-w", "a/b", "hi"]])
def test_a_name_that_cannot_be_is_wrong_use(command: Command, place: Place, arguments: list[str]) -> None:
    """It is refused before anything starts."""
    result = command("ask", *arguments)

    assert result.code == 2
    assert result.err.startswith("arawn: ")
    assert not place.log.exists()


def test_an_answer_without_text_is_said_to_be_one(command: Command, place: Place) -> None:
    """Stdout is empty, and stderr says why; with `--quiet` both are empty."""
    script = place.directory / "script.json"
    script.write_text(json.dumps({"steps": [{"text": "", "thinking": "hm"}]}), encoding="utf-8")
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n')

    result = command("ask", "hi")
    assert (result.code, result.out.strip()) == (0, "")
    assert "the answer has no text (stop reason `end_turn`; it holds `thinking`)" in result.err.splitlines()
    assert command("ask", "-q", "hi").err == ""


@pytest.mark.parametrize("flags", [[], ["--json"], ["-q"]])
def test_a_record_that_may_not_be_there_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    """The answer stays one; stderr says that the log is not well, and why."""
    monkeypatch.setattr(Journal, "health", lambda _: LogHealth("degraded", "no room on the disk"))

    result = command("ask", *flags, "hi")

    said = "the log is degraded: no room on the disk; if the record of this answer is not in it, that is why"
    assert (result.code, result.err.splitlines()[-1]) == (0, said)
