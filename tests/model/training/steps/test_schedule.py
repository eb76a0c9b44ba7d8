import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sapiensid.masking import KeptTokens
from model.training.steps.schedule import Batches, LearningRate


def test_the_rate_rises_linearly_and_falls_as_a_cosine_to_zero() -> None:
    rate = LearningRate(peak=1e-4, warmup=10, steps=110)
    assert [rate.at(step) for step in (0, 4, 9)] == pytest.approx([1e-5, 5e-5, 1e-4])
    assert rate.at(10) == pytest.approx(1e-4)
    assert rate.at(60) == pytest.approx(5e-5)
    assert 0 < rate.at(109) < 1e-7
    assert rate.at(110) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 200))
def test_the_rate_never_leaves_its_range(step: int) -> None:
    assert 0 <= LearningRate(1.0, 5, 100).at(step) <= 1.0


@pytest.mark.parametrize("warmup", [-1, 10, 12])
def test_a_warmup_of_all_steps_is_refused(warmup: int) -> None:
    with pytest.raises(ValueError, match="warm-up"):
        LearningRate(1.0, warmup, 10)


def test_the_papers_batches() -> None:
    batches = Batches(KeptTokens(), largest=128)
    assert [batches.size(n) for n in (112, 166, 345)] == [128, 58, 13]
    # Fewer than the smallest count, as rounding may give, make no larger batch.
    assert batches.size(110) == 128


def test_no_batch_is_too_small_for_batch_norm() -> None:
    batches = Batches(KeptTokens(), largest=4)
    assert [batches.size(n) for n in (112, 166, 345)] == [4, 2, 2]


@given(st.integers(112, 345), st.sampled_from(["square", "tokens"]), st.sampled_from([1, 4, 8]))
def test_the_rule_holds_but_for_rounding(tokens: int, rule: str, multiple: int) -> None:
    batches = Batches(KeptTokens(), largest=128, rule=rule, multiple=multiple)
    size = batches.size(tokens)
    assert size % multiple == 0 and multiple <= size <= 128
    exact = 128 * (112 / tokens) ** (2 if rule == "square" else 1)
    assert abs(size - exact) <= max(multiple / 2, multiple - exact) + 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "linear"}, "rule must be"),
        ({"multiple": 256}, "128 must be at least 2 and their multiple, 256"),
        ({"multiple": 0}, "their multiple, 0"),
    ],
)
def test_impossible_rules_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Batches(KeptTokens(), 128, **arguments)
