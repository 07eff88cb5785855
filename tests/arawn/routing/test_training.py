from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.config.schema import Profile
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine
from arawn.routing.evaluation import CannotTrain, Labelled, evaluated, sign_test, wilson
from arawn.routing.labels import example_of, right_profile
from tests.arawn.routing.asking import asking, layered
from tests.arawn.routing.embedding_server import vector
from tests.runtimes import configured, running

TWO = ("fast", "capable")
THREE = (*TWO, "default")


def judged(label: str, value: float | None = None) -> FeedbackLine:
    return FeedbackLine(interaction_id="i", label=label, value=value, timestamp="t")


@pytest.mark.parametrize(
    ("feedback", "known", "right"),
    [
        (judged("capable"), THREE, "capable"),
        (judged("good"), THREE, "fast"),
        (judged("GOOD", -1), THREE, "fast"),
        (judged("bad"), TWO, "capable"),
        (judged("bad"), THREE, None),
        (judged("latency", 3.2), THREE, None),
        (judged("stars", -1), TWO, None),
        (judged("yes"), TWO, None),
        (judged("stars"), TWO, None),
        (judged("good"), ("default", "capable"), None),
        (judged("bad"), ("default", "capable"), None),
    ],
)
def test_a_judgement_names_the_right_profile_or_none(
    feedback: FeedbackLine, known: tuple[str, ...], right: str | None
) -> None:
    """Of a call that went to `fast`."""
    assert right_profile("fast", feedback, known) == right


async def test_calls_of_a_workstream_or_a_session_are_one_group(tmp_path: Path) -> None:
    """Every other call stands alone."""
    echo = Profile(backend="scripted")
    async with running(configured(tmp_path, {"default": echo, "fast": echo})) as runtime:
        for name in ("w", "v"):
            await runtime.workstream(name).send("hi")
        await runtime.complete(asking("hi"), session_id="w")
        await runtime.complete(asking("hi"))
    reader = LogReader(tmp_path / "log", on_damage=lambda _: None)
    made = [entry.record() for entry in reader.oldest_first(Filters())]

    groups = [example_of(record, judged("good"), layered(), ("default", "fast")) for record in made]

    assert [example.group for example in groups if example] == ["workstream w", "workstream v", "session w", None]


def examples(count: int, *, now: str = "fast", seed: int = 0, truth: bool = True) -> list[Labelled]:
    """Return requests about code and about weather; without `truth` their labels are thrown dice."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        profile = TWO[number % 2]
        text = "rain wind" if profile == "fast" else "code bug"
        made.append(Labelled(vector(text), profile if truth else chance.choice(TWO), now))
    return made


def test_what_can_be_told_apart_is_better_than_one_profile_for_all() -> None:
    """All right instead of half."""
    score = evaluated(examples(40), threshold=0.3)

    assert (score.accuracy, score.accuracy_now, score.decided, score.gained, score.lost) == (1.0, 0.5, 1.0, 20, 0)
    assert score.better
    assert score.p_value == 0.5**20
    assert [(one.profile, one.right, one.right_now) for one in score.profiles] == [("capable", 20, 0), ("fast", 20, 20)]


def test_labels_that_the_text_does_not_tell_are_not_learnt() -> None:
    """Cross-validation sees through it: at 95 % confidence about one in twenty passes, and here it is fewer."""
    passed = sum(evaluated(examples(40, seed=seed, truth=False), threshold=0.0).better for seed in range(40))

    assert passed <= 6


def test_what_is_as_good_as_the_rules_is_not_better() -> None:
    """Nothing gained, nothing lost: no evidence."""
    perfect = [Labelled(one.vector, one.profile, one.profile) for one in examples(40)]

    score = evaluated(perfect, threshold=0.3)

    assert (score.accuracy, score.p_value, score.better) == (1.0, 1.0, False)


def noise(groups: int, each: int, *, seed: int, now: str | None = None, told: bool = True) -> list[Labelled]:
    """Return near-repetitions with labels that are thrown dice; `now` None: the rules throw dice as well."""
    chance = random.Random(seed)
    made = []
    for number in range(groups):
        profile, middle = chance.choice(TWO), [chance.gauss(0, 1) for _ in range(16)]
        other = TWO[profile == TWO[0]]
        for _ in range(each):
            vector = [value + chance.gauss(0, 0.1) for value in middle]
            decided = other if now == "wrong" else chance.choice(TWO)
            made.append(Labelled(vector, profile, decided, f"g{number}" if told else None))
    return made


def test_only_wrong_calls_judged_train_nothing() -> None:
    """The rules would lose against anything; what is missing is said."""
    score = evaluated(noise(60, 1, seed=1, now="wrong"), threshold=0.3)

    assert score.gained >= 5
    assert score.p_value <= 0.05
    assert not score.better
    assert score.why_not is not None
    assert "judge calls that went right too" in score.why_not


def test_a_classifier_must_beat_one_profile_for_all() -> None:
    """A few right calls among the wrong ones do not make noise worth anything."""
    judged_calls = [*noise(60, 1, seed=1, now="wrong"), Labelled([1.0] * 16, "fast", "fast")]
    score = evaluated(judged_calls, threshold=0.3)

    assert score.p_value <= 0.05
    assert not score.better
    assert score.why_not is not None
    assert f"not better than `{score.most}` for every call" in score.why_not


def test_calls_of_one_conversation_count_once() -> None:
    """Groups of near-repetitions that mean nothing pass about as rarely as chance says; taken apart they do not."""
    together = [evaluated(noise(15, 4, seed=seed), threshold=0.3) for seed in range(40)]
    apart = [evaluated(noise(15, 4, seed=seed, told=False), threshold=0.3) for seed in range(40)]

    assert sum(score.p_value <= 0.05 for score in together) <= 4
    assert sum(score.better for score in together) <= 2
    assert sum(score.p_value <= 0.05 for score in apart) >= 20


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 8), st.integers(1, 4), st.integers(0, 999))
def test_every_request_is_decided_once_and_groups_are_what_is_counted(groups: int, each: int, seed: int) -> None:
    """However they are cut."""
    made = noise(groups, each, seed=seed)
    try:
        score = evaluated(made, threshold=0.3)
    except CannotTrain:
        return

    assert (score.requests, score.groups) == (groups * each, groups)
    assert score.gained + score.lost <= groups
    assert sum(one.requests for one in score.profiles) == groups * each


def test_a_high_threshold_leaves_the_decision_to_the_rules() -> None:
    """Then nothing changes."""
    chance = random.Random(0)
    scattered = [Labelled([chance.gauss(0, 1) for _ in range(9)], TWO[n % 2], "fast") for n in range(20)]

    score = evaluated(scattered, threshold=1.0)

    assert (score.decided, score.accuracy, score.gained) == (0.0, score.accuracy_now, 0)


@pytest.mark.parametrize(
    ("few", "words"),
    [
        (examples(1), "belong to 1 profiles; at least two"),
        ([*examples(2), examples(1)[0]], "profile `capable` has judged calls of 1 conversation; each needs two"),
    ],
)
def test_too_little_is_said_to_be_too_little(few: list[Labelled], words: str) -> None:
    """With what is missing."""
    with pytest.raises(CannotTrain, match=words):
        evaluated(few, threshold=0.3)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_the_binomial_tail(gained: int, lost: int) -> None:
    """Against a sum of its own, and never rising with a gain."""
    throws = gained + lost
    tail = math.fsum(math.comb(throws, heads) / 2**throws for heads in range(gained, throws + 1))

    assert sign_test(gained, lost) == pytest.approx(tail)
    assert sign_test(gained + 1, lost) <= sign_test(gained, lost)


@pytest.mark.parametrize(("gained", "lost", "better"), [(4, 0, False), (5, 0, True), (8, 2, False), (9, 1, True)])
def test_five_gains_without_a_loss_are_the_least_that_counts(gained: int, lost: int, better: bool) -> None:
    """0.5 to the fifth is 0.031."""
    assert (sign_test(gained, lost) <= 0.05) is better


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    """Within 0..1."""
    right, total = counts
    low, high = wilson(right, total)

    assert 0 <= low <= right / total + 1e-9
    assert right / total - 1e-9 <= high <= 1


def test_the_interval_is_that_of_the_tables() -> None:
    """15 of 20: 0.531 to 0.888."""
    low, high = wilson(15, 20)

    assert (round(low, 3), round(high, 3)) == (0.531, 0.888)
