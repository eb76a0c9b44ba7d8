"""Merging names, against a plain restatement of the rule."""

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.features import unit
from pipelines.identity.merging import UNMERGED, merge
from pipelines.identity.similarity import SimilarPairs, pairs_above


def plain_rule(centres, similar):
    """Sets of names, and the dropped names: the rule, step by step, nothing remembered."""

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    graph = nx.Graph()
    graph.add_nodes_from(range(len(centres)))
    for i in range(len(centres)):
        for j in range(i):
            if cosine(centres[i], centres[j]) > similar:
                graph.add_edge(i, j)
    people, dropped = [], set()
    for component in nx.connected_components(graph):
        groups = [({i}, centres[i].astype(float)) for i in sorted(component)]
        while len(groups) > 1:
            pairs = [
                (cosine(groups[i][1], groups[j][1]), i, j)
                for j in range(len(groups))
                for i in range(j)
            ]
            best, i, j = max(pairs, key=lambda pair: pair[0])
            if best < similar:
                break
            joined = (groups[i][0] | groups[j][0], groups[i][1] + groups[j][1])
            groups = [group for k, group in enumerate(groups) if k not in (i, j)] + [joined]
        for members, _ in groups:
            if len(component) > 2 and len(members) == 1:
                dropped |= members
            else:
                people.append(frozenset(members))
    return set(people), dropped


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 14),
    groups=st.integers(1, 5),
    noise=st.floats(0.05, 0.8),
    similar=st.floats(0.2, 0.95),
)
def test_equals_the_plain_rule(seed, count, groups, noise, similar):
    rng = np.random.default_rng(seed)
    anchors = rng.normal(size=(groups, 5))
    centres = anchors[rng.integers(groups, size=count)] + noise * rng.normal(size=(count, 5))
    centres = (centres * rng.uniform(1, 50, (count, 1))).astype(np.float32)
    cosine = unit(centres) @ unit(centres).T
    if (abs(cosine - similar) < 1e-5).any():
        return
    found = merge(centres, pairs_above(unit(centres), None, similar), similar)
    people = {
        frozenset(np.flatnonzero(found.person == person).tolist())
        for person in range(len(found.centres))
    }
    expected, dropped = plain_rule(centres, similar)
    assert people == expected
    assert set(np.flatnonzero(found.person == UNMERGED).tolist()) == dropped
    for person in range(len(found.centres)):
        own = centres[found.person == person]
        np.testing.assert_allclose(found.centres[person], own.sum(0), rtol=1e-5, atol=1e-4)
    firsts = [np.flatnonzero(found.person == p)[0] for p in range(len(found.centres))]
    assert firsts == sorted(firsts)


def at(*degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def merged(centres, similar=0.7):
    return merge(centres, pairs_above(unit(centres), None, similar), similar).person.tolist()


def test_two_are_merged():
    assert merged(at(0, 40, 120)) == [0, 0, 1]  # cos 40 = 0.77


def test_a_chain_is_not_swallowed():
    """0-40 and 40-80 are similar; 0 and 40 merge (first of equals), 80 is 60 degrees away."""
    assert merged(at(0, 40, 80.0001)) == [0, 0, UNMERGED]


def test_the_sum_counts_weight():
    """As above, but the middle centre is strong: the merged one stays within reach of the last."""
    centres = at(0, 40, 81)
    centres[1] *= 50
    assert merged(centres) == [0, 0, 0]


def test_a_component_can_hold_two_people():
    assert merged(at(0, 10, 50, 60)) == [0, 0, 1, 1]  # 10 and 50 are similar, the pairs are not


def test_nothing_to_do():
    empty = SimilarPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert len(merge(np.zeros((0, 4), np.float32), empty, 0.7).person) == 0


def test_a_large_component_is_quick():
    rng = np.random.default_rng(0)
    centres = (rng.normal(size=64) + 0.1 * rng.normal(size=(500, 64))).astype(np.float32)
    assert set(merged(centres, 0.9)) == {0}
