"""Numbers drawn for keys."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sampling.keyed_order import keyed_numbers

KEYS = st.lists(st.integers(0, 2**63 - 1), unique=True, max_size=20)


@given(KEYS, KEYS, st.integers(0, 2**31))
def test_what_comes_or_goes_moves_no_other(keys, more, seed):
    alone = dict(zip(keys, keyed_numbers(keys, seed).tolist(), strict=True))
    together = list(dict.fromkeys([*more, *keys]))
    number = dict(zip(together, keyed_numbers(together, seed).tolist(), strict=True))
    assert all(number[key] == alone[key] for key in keys)


def test_seeds_and_purposes_draw_independently():
    keys = range(2000)
    draws = [keyed_numbers(keys, 0), keyed_numbers(keys, 1), keyed_numbers(keys, 0, "other")]
    for number, first in enumerate(draws):
        assert len(np.unique(first)) == 2000
        assert abs(float(first.mean()) / 2**64 - 0.5) < 0.03
        for other in draws[number + 1 :]:
            assert abs(np.corrcoef(first.astype(float), other.astype(float))[0, 1]) < 0.08
