"""DBSCAN on cosine distance in bounded memory, for any number of faces.

The distance of two faces is 1 - clip(cosine, 0, 1).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats

#: Up to this many faces, scikit-learn gets one matrix of distances (64 MiB).
DENSE = 4096
NOISE = -1


def dbscan(
    features: Floats, eps: float, min_samples: int, dense: int = DENSE
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cluster unit features (N, D): labels (N,), -1 for noise, and links (N,).

    A face's links are the other faces within `eps`. Clusters are numbered by their first core
    face; a border face belongs to the first cluster with a core face in its reach, as in
    scikit-learn. More than `dense` faces are worked on in blocks, with equal results.
    """
    if len(features) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    # Distances are float32, so the largest float32 within eps decides in either way.
    radius = np.float32(eps)
    if float(radius) > eps:
        radius = np.nextafter(radius, np.float32(-1))
    links = np.zeros(len(features), np.int64)
    for start, distance in _rows(features, dense):
        links[start : start + len(distance)] = (distance <= radius).sum(1) - 1
        if len(distance) == len(features):
            from sklearn.cluster import DBSCAN  # slow to import, and only workers need it

            model = DBSCAN(eps=float(radius), min_samples=min_samples, metric="precomputed")
            return model.fit(distance).labels_.astype(np.int64), links
    return _blocked(features, radius, links + 1 >= min_samples, dense), links


def _rows(features: Floats, dense: int) -> Iterator[tuple[int, Floats]]:
    """Distances of a block of faces to all faces, block after block, each of dense^2 at most."""
    count = len(features)
    height = max(1, min(count, dense * dense // count))
    for start in range(0, count, height):
        distance = 1 - np.clip(features[start : start + height] @ features.T, 0, 1)
        own = np.arange(len(distance))
        distance[own, start + own] = 0  # rounding must not separate a face from itself
        yield start, distance


def _blocked(
    features: Floats, radius: np.float32, core: NDArray[np.bool_], dense: int
) -> NDArray[np.int64]:
    """Labels from two passes over the distances: join the core faces, then place the others."""
    count = len(features)
    part = np.arange(count)
    for start, distance in _rows(features, dense):
        rows = np.flatnonzero(core[start : start + len(distance)])
        near = (distance[rows] <= radius) & core
        for row, linked in zip(rows + start, near, strict=True):
            touched = part[linked]
            if (touched != part[row]).any():
                part[np.isin(part, touched)] = part[row]
    # Number the parts by their first core face.
    labels = np.full(count, NOISE, np.int64)
    _, first, number = np.unique(part[core], return_index=True, return_inverse=True)
    labels[core] = np.argsort(np.argsort(first))[number]
    for start, distance in _rows(features, dense):
        rows = np.flatnonzero(~core[start : start + len(distance)])
        near = (distance[rows] <= radius) & core
        if near.any():
            first_label = np.where(near, labels, count).min(1)
            labels[rows + start] = np.where(first_label < count, first_label, NOISE)
    return labels
