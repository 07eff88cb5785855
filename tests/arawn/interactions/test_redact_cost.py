"""No text makes the search for secrets slow: what it costs is told by its length."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from arawn.interactions.key_shapes import RULES, Rule, may_hold_a_key, replace_keys
from arawn.interactions.redact import Redactor
from arawn.interactions.search import Query
from tests.arawn.interactions.key_samples import SHAPES, Dice

SIZE = 1 << 16
MOST = 120  # passes over the same text in a loop of Python; a run that is eaten from each place in it takes thousands
FILLERS = ("a", "a1", "-", "_", ".", "=", ":", " ", "\\", "A ", "%3D", "(")
SECRET = r"\\server\share\k3y+" + "x" * 40


def _cost(work: Callable[[str], object], text: str) -> float:
    """Return what `work` costs for each pass over `text`: the least of several, for others use the machine too."""
    costs = []
    for _ in range(5):
        begun = time.process_time()
        for _ in text:
            pass
        passed = time.process_time()
        work(text)
        costs.append((time.process_time() - passed) / (passed - begun))
        if costs[-1] < MOST:
            break
    return min(costs)


def _to_size(unit: str, before: str = "", after: str = "") -> str:
    return before + unit * (SIZE // len(unit)) + after


def _nearly(rule: Rule) -> Iterator[str]:
    """Yield texts that begin what `rule` looks for over and over, and never end it, or end it late."""
    samples = [around.format(make(Dice(5))) for name, make, around in SHAPES if name == rule.name]
    begins = {rule.literal, *(sample[: len(sample) * part // 8] for sample in samples for part in range(1, 9))} - {""}
    for begin in sorted(begins):
        yield _to_size(begin)
        yield _to_size(begin + " ")
        for filler in FILLERS:
            yield _to_size(filler, begin)
            yield _to_size(begin + filler)
    yield _to_size(rule.literal, after=f" .{rule.literal} a")
    for mark in ".-:=/ ":
        yield _to_size(rule.literal, rule.literal * 2700 + mark)
        yield _to_size(rule.literal + "a" * 17 + mark)


def _places() -> dict[str, Rule]:
    return {f"{rule.name}-{rule.literal}-{number}": rule for number, rule in enumerate(RULES)}


@pytest.mark.slow
@pytest.mark.parametrize("place", _places())
def test_no_text_makes_a_rule_slow(place: str) -> None:
    """Prefixes over and over, prefix and a run without end, near-misses of every kind."""
    rule = _places()[place]

    for text in _nearly(rule):
        shown = f"{text[:60]!r} … {text[-20:]!r}"
        assert _cost(may_hold_a_key, text) < MOST, shown
        assert _cost(lambda text: rule.pattern.sub("", text), text) < MOST, shown


@pytest.mark.parametrize(
    "text",
    [
        "eyJ" * 2700 + "." + "eyJ" * 33_000,
        "eyJ" * 33_000 + " .eyJ a",
        ("eyJ" + "a" * 9 + ".") * 9_000,
        "curl -u " * 15_000,
        "curl " * 25_000,
    ],
    ids=lambda text: f"{text[:12]}-{text[-8:]}",
)
def test_runs_are_eaten_once(text: str) -> None:
    """What once stopped a daemon for seconds: runs that begin a token at every place."""
    assert _cost(lambda text: replace_keys(text, lambda *_: ""), text) < MOST


@pytest.mark.parametrize("around", ["", "eyJhbGciOi.", "eyJ.", "eyJhbGciOiJ9.eyJz.", "eyJhbGciOi eyJ"])
def test_half_a_token_before_a_whole_one_hides_nothing(around: str) -> None:
    """A run that is no token is passed over alone."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"

    text = replace_keys(f"{around} {token}", lambda *_: "MASK")

    assert text == f"{around} MASK"


@pytest.mark.parametrize("after", ["", " && docker run -u root:staff1234 img", "; curl -u bob:An0therOne x"])
def test_the_password_of_a_request_is_found_whatever_comes_after_it(after: str) -> None:
    """The first `-u` is the request's own; a later one in the line is of another program, as often as not."""
    assert replace_keys(f"curl -u ann:Secret123 https://x{after}", lambda *_: "MASK").startswith("curl -u ann:MASK ")


@pytest.mark.parametrize(
    "text",
    [
        "\\" * SIZE,
        "\\\\server" + "\\" * SIZE,
        ("\\\\server\\share\\k3y" + "\\" * 50) * (SIZE // 70),
        "\\u005c" * (SIZE // 6),
        ("\\u005c" + "\\" * 100) * (SIZE // 106),
        "%5c" * (SIZE // 3) + "%",
        "&#92;" * (SIZE // 5) + "&#",
        "&#" + "0" * SIZE,
        "x" * SIZE,
        SECRET.replace("\\", "\\\\") + " \\x41 " + "\\" * 2000 + "s" + "\\" * 2000,
    ],
    ids=lambda text: f"{text[:12]}-{text[-8:]}",
)
def test_no_text_makes_the_search_for_known_secrets_slow(text: str) -> None:
    """Runs of escapes, beginnings of secrets that overlap, and twenty long secrets that begin alike."""
    secrets = [SECRET, *("x" * 200 + f"{number:03}" for number in range(20))]

    assert _cost(lambda text: Redactor(secrets).redact(text), text) < MOST


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("sought", ["aaaaaaaaaaaaaaab", "ünd", "a b"])
def test_a_search_costs_no_more_than_the_length_of_the_log(sought: str, *, ignore_case: bool) -> None:
    """Also where the text that is sought nearly stands at every place, or stands in every line."""
    query = Query(sought, ignore_case=ignore_case)

    def look(text: str) -> None:
        data, place = text.encode(), 0
        while (place := query.find_in(data, place, len(data))) >= 0:
            place = data.find(b"\n", place) + 1 or len(data)

    for line in ("a" * 300, "AaAa" * 30, sought, f"{sought}xxxx", "üü", re.sub("[a-z]", "A", sought)):
        assert _cost(look, _to_size(f"{line:<60}\n")) < MOST, line
