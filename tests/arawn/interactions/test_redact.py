"""Keys and known secrets never reach the log."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.key_shapes import RULES, may_hold_a_key, replace_keys
from arawn.interactions.redact import Redactor, redact
from arawn.messages import Image, Message, Text, ToolResult, ToolUse
from tests.arawn.interactions.key_samples import SHAPES, Dice

GROQ = "gsk_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
AWS = "AKIAIOSFODNN7EXAMPLE"
IDS = [f"{rule}-{number}" for number, (rule, _, _) in enumerate(SHAPES)]


def test_every_rule_has_a_sample() -> None:
    """No rule goes untested, and there are more than thirty."""
    assert {rule for rule, _, _ in SHAPES} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) >= 30


@pytest.mark.parametrize(("rule", "make", "around"), SHAPES, ids=IDS)
def test_a_key_is_replaced_wherever_it_stands(rule: str, make: Callable[[Dice], str], around: str) -> None:
    """The key goes, what stands around it stays, the rule is named, equal keys stay equal."""
    key = make(Dice(1))

    text, rules = redact(f"say {around.format(key)}\n{around.format(key)}")

    mask = f"[redacted:{rule}:{hashlib.sha256(key.encode()).hexdigest()[:8]}]"
    assert text == f"say {around.format(mask)}\n{around.format(mask)}"
    assert rules == [rule]


@pytest.mark.parametrize(
    "how", ["{}", 'key = "{}",', "a\\n{}\\n", "`{}`", "({})", "{}\n", "x={}&y", '{{"k":"{}"}}', ">{}<"]
)
def test_at_least_99_of_100_keys_of_every_shape_are_found(how: str) -> None:
    """Whatever stands around them: quotes, brackets, escaped line ends."""
    found = total = 0

    for rule, make, around in SHAPES:
        for seed in range(20):
            key = make(Dice(f"{rule}{seed}"))
            text, _ = redact(how.format(around.format(key)))
            total += 1
            found += key[len(key) // 2 :] not in text
    assert found >= 0.99 * total


@given(st.sampled_from(SHAPES), st.randoms(use_true_random=False), st.text(max_size=30), st.text(max_size=30))
def test_the_quick_test_never_passes_over_a_key(
    shape: tuple[str, Callable[[Dice], str], str], dice: Dice, before: str, after: str
) -> None:
    """What the patterns would find, the test in front of them lets through."""
    text = before + shape[2].format(shape[1](dice)) + after

    assert may_hold_a_key(text) or not any(rule.pattern.search(text) for rule in RULES)


def test_ordinary_text_holds_next_to_no_key() -> None:
    """At most one false hit in a megabyte: code, prose, hashes, UUIDs, base64, JSON."""
    texts = list(_ordinary_texts())
    hits: list[tuple[str, str]] = []
    for text in texts:
        replace_keys(text, lambda *hit: hits.append(hit) or "")  # type: ignore[func-returns-value]

    size = sum(map(len, texts))
    assert size > 2_000_000
    assert len(hits) <= size / 1_000_000, hits


def _ordinary_texts() -> Iterator[str]:
    library = Path(json.__file__).parent.parent
    for path in sorted([*library.glob("*.py"), *library.glob("asyncio/*.py"), *library.glob("email/*.py")])[:200]:
        yield path.read_text(encoding="utf-8", errors="replace")
    dice = Dice(3)
    for _ in range(100):
        yield base64.b64encode(dice.randbytes(3_000)).decode()
        yield base64.urlsafe_b64encode(dice.randbytes(1_500)).decode()
        yield " ".join(_names(dice))
        yield json.dumps({str(UUID(int=dice.getrandbits(128))): dice.randbytes(32).hex() for _ in range(30)})


def _names(dice: Dice) -> Iterator[str]:
    """Yield names that begin or are built as keys are: hyphens, underscores and dots, but words between them."""
    words = ["Module", "Namespace", "object", "handle", "getter", "method_name", "pa", "pul", "e2b", "fm2", "Value1"]
    for mark in ".-_":
        for _ in range(20):
            yield mark.join(dice.choices(words, k=dice.randrange(3, 12)))


@pytest.mark.parametrize(
    "write",
    [
        lambda secret: json.dumps({"k": f"x{secret}y"}),
        lambda secret: json.dumps(json.dumps([secret])),
        lambda secret: json.dumps(secret).replace("/", "\\/"),
        repr,
        quote_plus,
        lambda secret: quote(secret, safe=""),
        lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
        html.escape,
        lambda secret: "".join(f"&#{ord(character)};" for character in secret),
        lambda secret: "".join(f"\\u{ord(character):04x}" for character in secret),
        lambda secret: secret[:4] + f"\\u{ord(secret[4]):04X}" + secret[5:],
        lambda secret: "".join(f"\\x{byte:02x}" for byte in secret.encode("latin-1")),
        lambda secret: f"prefix{secret}suffix",
    ],
)
def test_a_known_secret_is_found_however_it_is_written(write: Callable[[str], str]) -> None:
    """Escaped for JSON once or twice, for a URL, for HTML, by numbers, in part or whole, inside a longer text."""
    secret = 'pä/ss"wö<rd+&7x'
    written = write(secret)

    text, rules = redact(f"before {written} after", [secret])

    assert rules == ["secret"]
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert written[6:-6] not in text


@pytest.mark.parametrize(
    "text",
    [
        "the task-force's disk-usage report, risk-adjusted-return-on-capital-and-more",
        "gh_something_snake_case_that_is_long_enough_to_be_a_key",
        "get_attribute_of_something_else, that_pat_of_hands, api_key_environment_variable",
        "https://example.com/a@b:c and mailto:anna@example.com",
        "eyJhbGciOiJIUzI1NiJ9 alone is no token",
        "the bearer of this letter",
        "password=password, passwd: str, pwd = os.getcwd(), Password: required, password = get_random_string2(8)",
        "PASSWORD=$SECRET2, password: {{ vault_password_2 }}, PWD=/home/user1/project, password=%(password1)s",
        "tokens: 128, token: str = None, token = secrets.token_urlsafe2_of_something(32), x-api-key: from the vault",
        "curl -u user:password https://example.com, curl -uro:secret, <password>changeme</password>, secret_key: KEY",
        "the task-ant-hill-and-other-risk-proj-ects-of-2026-that-nobody-wants-to-see-again-in-this-life",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Words that look a little like keys are no keys."""
    redacted, rules = redact(text)

    assert redacted is text
    assert rules == []


def test_values_are_walked() -> None:
    """Structs, dicts with their keys, lists and tuples; what holds nothing is the same object."""
    key = GROQ
    clean = Message("user", (Text("hello"),))
    value = [clean, Message("user", (ToolUse("1", "t", {key: [1, {"k": key}]}), ToolResult("1", (Text(key),))))]

    walked, rules = redact(value)

    assert key not in repr(walked)
    assert walked[0] is clean
    assert rules == ["groq"]


def test_picture_data_is_passed_over() -> None:
    """The base64 of a picture is not searched."""
    image = Image("image/png", GROQ)

    assert redact(image) == (image, [])


def test_what_a_picture_says_of_its_kind_is_searched() -> None:
    """It is a text of the caller as any other."""
    (shown, held), rules = redact((Image(GROQ, "aGk="), Message("user", (Image(f"image/{GROQ}", GROQ),))))

    assert shown.media_type.startswith("[redacted:groq:")
    assert held.content[0].media_type.startswith("image/[redacted:groq:")
    assert held.content[0].data == GROQ
    assert rules == ["groq"]


@given(st.text(min_size=8, max_size=30), st.text(), st.text())
def test_a_known_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    """Whatever a secret looks like, it is gone from whatever holds it."""
    text, rules = redact(before + secret + after, [secret])

    assert "secret" in rules
    assert secret not in text


def test_short_secrets_are_not_looked_for() -> None:
    """A secret of a few letters would blot out ordinary words."""
    assert redact("a test of tests", ["test"]) == ("a test of tests", [])


def test_the_longer_of_two_secrets_goes_first() -> None:
    """A secret that contains another leaves nothing of itself."""
    text, _ = redact("password-long", ["password", "password-long"])

    assert "long" not in text


def test_what_is_remembered_as_clean_is_clean() -> None:
    """Asking twice gives the same answers."""
    redactor = Redactor(["hunter22hunter22"])

    for text in ("all is well here", "hunter22hunter22", AWS) * 2:
        assert redactor.redact(text) == redact(text, ["hunter22hunter22"])


def test_cycles_and_depth_end() -> None:
    """What cannot be searched is not written."""
    deep: Any = GROQ
    for _ in range(5_000):
        deep = [deep]
    cycle: list[Any] = []
    cycle += [cycle, cycle]

    assert GROQ not in repr(redact(deep)[0])
    assert redact(cycle)[0] == ["[cycle]", "[cycle]"]


@pytest.mark.parametrize("said", ["{}", "hunter22%2Dhunter22 {}", r"{}\u0068unter22-hunter22"])
def test_a_long_run_of_backslashes_does_not_hold_up_anybody(said: str) -> None:
    """It is searched once, and not from each of them, which would take minutes."""
    text, _ = redact(said.format("\\" * 200_000 + " "), ["hunter22-hunter22"])

    assert "unter22" not in text


@pytest.mark.parametrize("begins", ["pa-", "sk-proj-", "sk-ant-api03-", "_KEY=", "token=", "api-key=", "eyJ"])
def test_the_beginning_of_a_key_over_and_over_does_not_hold_up_anybody(begins: str) -> None:
    """None of them looks further ahead than a key is long: to the end of the text would take minutes."""
    said = begins * (200_000 // len(begins)) + " .eyJ"

    assert redact(said)[0].endswith(".eyJ")
