"""What the shuffle keeps when people come and go, and what that costs, beside a perfect shuffle.

    python -m benchmarks.shuffle

For data sets of several sizes: the share of output shards that keep their bytes when one person
goes and another gets five images more (mean of some trials); how uneven the shards are; and of the
samples of a shard, how many show a person who is seen twice in it.
"""

import argparse

import numpy as np

from benchmarks.figures import Figures, add_option
from pipelines.sampling.placement import shard_count, shards_of, shuffle_numbers

#: Images of a person, on average, as in WebBody4M.
IMAGES = 20


def made(people: int, rng: np.random.Generator) -> np.ndarray:
    """The person of each sample (N,): people have 2 images and more."""
    images = np.clip(rng.lognormal(np.log(IMAGES) - 0.5, 1, people), 2, 400).astype(int)
    return np.repeat(np.arange(people), images)


def ours(person: np.ndarray, sample: np.ndarray, count: int) -> np.ndarray:
    """The shard of each sample (N,) as the split stage places it."""
    numbers = shuffle_numbers((f"{p}-{s}" for p, s in zip(person, sample, strict=True)), 0)
    return shards_of(person, numbers, count, 0)


def perfect(person: np.ndarray, sample: np.ndarray, count: int) -> np.ndarray:
    """All samples in the order of random numbers, cut into shards of equal size."""
    numbers = shuffle_numbers((f"{p}-{s}" for p, s in zip(person, sample, strict=True)), 0)
    place = np.argsort(np.argsort(numbers))
    return place * count // len(person)


def numbered(person: np.ndarray) -> np.ndarray:
    """The number of each sample (N,) among its person's; `person` is sorted."""
    _, first, images = np.unique(person, return_index=True, return_counts=True)
    return np.arange(len(person)) - np.repeat(first, images)


def kept(place, person: np.ndarray, count: int, rng: np.random.Generator, trials: int) -> float:
    """The share of shards whose samples stay the same."""
    sample = numbered(person)
    before = place(person, sample, count)
    shares = []
    for _ in range(trials):
        goes, grows = rng.choice(person, 2)
        rest = person != goes
        more = np.concatenate([person[rest], np.full(5, grows)])
        after = place(more, np.concatenate([sample[rest], 1000 + np.arange(5)]), count)
        moved = before[rest] != after[: rest.sum()]
        changed = {*before[~rest], *after[rest.sum() :], *before[rest][moved]}
        changed |= set(after[: rest.sum()][moved])
        shares.append(1 - len(changed) / count)
    return float(np.mean(shares))


def twice(shard: np.ndarray, person: np.ndarray) -> float:
    """The mean number of other samples of a sample's person in its shard."""
    _, of, images = np.unique(
        np.stack([shard, person], 1), axis=0, return_inverse=True, return_counts=True
    )
    return float((images[of.reshape(-1)] - 1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=20)
    add_option(parser)
    options = parser.parse_args()
    figures = Figures("shuffle", options)
    print("                   shards that stay  largest/mean  others of one's person in a shard")
    print("shards  samples     ours   perfect      ours          ours   perfect")
    for count, size in ((6, 500), (20, 1000), (100, 1000), (100, 5000)):
        rng = np.random.default_rng(0)
        person = made(count * size // IMAGES, rng)
        count = shard_count(len(person), size)
        sample = numbered(person)
        shard = ours(person, sample, count)
        stay = kept(ours, person, count, rng, options.trials)
        even = kept(perfect, person, count, rng, options.trials)
        sizes = np.bincount(shard, minlength=count)
        same, ideal = twice(shard, person), twice(perfect(person, sample, count), person)
        largest = sizes.max() / sizes.mean()
        print(
            f"{count:6} {len(person):8}   {stay:6.1%}  {even:8.1%}  {largest:8.3f}"
            f"    {same:10.2f}  {ideal:8.2f}"
        )
        figures.row(shards=count, samples=len(person), stay=stay, even=even, same=same, ideal=ideal)
        figures.ratio(f"stay of {count} shards of {size}", stay)


if __name__ == "__main__":
    main()
