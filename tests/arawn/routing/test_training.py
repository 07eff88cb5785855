from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.interactions.record import FeedbackLine
from arawn.routing.evaluation import CannotTrain, Labelled, evaluated, sign_test, wilson
from arawn.routing.labels import right_profile
from tests.arawn.routing.embedding_server import vector

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
        (judged("stars", 4), THREE, "fast"),
        (judged("stars", -1), TWO, "capable"),
        (judged("stars", 0), TWO, None),
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
        ([*examples(2), examples(1)[0]], "profile `capable` has 1 judged call"),
    ],
)
def test_too_little_is_said_to_be_too_little(few: list[Labelled], words: str) -> None:
    """With what is missing."""
    with pytest.raises(CannotTrain, match=words):
        evaluated(few, threshold=0.3)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_the_binomial_tail(gained: int, lost: int) -> None:
    """Against a sum of its own, and falling with every gain."""
    throws = gained + lost
    tail = math.fsum(math.comb(throws, heads) / 2**throws for heads in range(gained, throws + 1))

    assert sign_test(gained, lost) == pytest.approx(tail)
    assert sign_test(gained + 1, lost) < sign_test(gained, lost)


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
