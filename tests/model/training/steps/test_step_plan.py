import pytest

from model.sapiensid.masking import KeptTokens
from model.training.steps.plan import plan
from model.training.steps.schedule import Batches

BATCHES = Batches(KeptTokens(), largest=128, multiple=4)


def test_the_papers_plan() -> None:
    steps = plan(BATCHES, samples=100_000, warmup=10_000, rate=1e-4, seed=0)
    starts = [step.start for step in steps]
    assert starts == [sum(step.size for step in steps[:i]) for i in range(len(steps))]
    assert 100_000 - 4 < starts[-1] + steps[-1].size <= 100_000
    assert [step.number for step in steps] == list(range(len(steps)))
    assert all(step.size % 4 == 0 for step in steps)
    assert sum(step.tokens for step in steps) / len(steps) == pytest.approx(166, abs=6)
    fewest = [step for step in steps if step.tokens <= 112]
    assert {step.size for step in fewest} == {128}
    # Per sample of the batch the rate rises over the warm-up and falls after it.
    per_sample = [step.rate / step.size for step in steps]
    top = max(range(len(steps)), key=per_sample.__getitem__)
    assert 9_000 < steps[top].start < 11_000
    assert per_sample[top] == pytest.approx(1e-4 / 128, rel=0.03)
    assert per_sample[:top] == sorted(per_sample[:top])
    assert per_sample[top:] == sorted(per_sample[top:], reverse=True)


def test_a_plan_depends_on_its_arguments_alone() -> None:
    arguments = {"samples": 2000, "warmup": 100, "rate": 1e-3}
    assert plan(BATCHES, seed=1, **arguments) == plan(BATCHES, seed=1, **arguments)
    assert plan(BATCHES, seed=1, **arguments) != plan(BATCHES, seed=2, **arguments)


def test_tokens_with_their_two_companions_are_multiples() -> None:
    steps = plan(BATCHES, samples=20_000, warmup=0, rate=1e-4, seed=0, token_multiple=8)
    assert all((step.tokens + 2) % 8 == 0 for step in steps)
    assert 5 < len({step.tokens for step in steps}) <= 31


def test_too_few_samples_are_told() -> None:
    with pytest.raises(ValueError, match="3 samples make no batch of a multiple of 4"):
        plan(BATCHES, samples=3, warmup=0, rate=1e-4, seed=0)
