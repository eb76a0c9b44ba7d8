import torch

from model.random_numbers import mix, uniform

MASK = (1 << 64) - 1


def splitmix64(state: int) -> int:
    """The published algorithm, on Python's integers."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_the_hash_is_splitmix64() -> None:
    numbers = [0, 1, -1, 1234567, -(1 << 63), (1 << 63) - 1]
    hashed = mix(torch.tensor(numbers))
    assert [int(h) & MASK for h in hashed] == [splitmix64(n & MASK) for n in numbers]
    # The first output for seed 0 that the algorithm's authors give.
    assert int(hashed[0]) & MASK == 0xE220A8397B1DCDAF


def test_numbers_belong_to_the_sample() -> None:
    seeds = torch.randint(1 << 62, (50,), generator=torch.Generator().manual_seed(0))
    numbers = uniform(seeds, 7)
    assert torch.equal(uniform(seeds[10:20], 7), numbers[10:20])
    assert torch.equal(uniform(seeds, 3), numbers[:, :3])
    assert not torch.equal(uniform(seeds, 7, stream=1), numbers)


def test_numbers_are_uniform_and_uncorrelated() -> None:
    # Seeds in a row, as positions in a sequence are.
    numbers = torch.cat([uniform(torch.arange(2000), 20, stream) for stream in (0, 1)], 1)
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = torch.histc(numbers.flatten(), 64, 0, 1)
    expected = numbers.numel() / 64
    assert ((counts - expected) ** 2 / expected).sum() < 120  # 63 degrees of freedom
    assert torch.corrcoef(numbers.T).fill_diagonal_(0).abs().max() < 0.12
    assert torch.corrcoef(numbers[:300]).fill_diagonal_(0).abs().max() < 0.75
    assert len(numbers.unique()) > 0.99 * numbers.numel()
