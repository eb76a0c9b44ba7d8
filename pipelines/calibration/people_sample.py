"""The people of a calibration: sampling, checks, cosines of their faces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.growth import Rows
from pipelines.identity.features import Floats, unit
from webbody.errors import WebbodyError

#: At most this many people are sampled, with all their faces: 200 million pairs.
MAX_PEOPLE = 20_000
#: Fewer people with several faces are refused; fewer than the second give a warning.
LEAST, ROUGH = 10, 50
#: Pairs of faces of one person that are looked at.
MAX_SAME = 300_000


def sample_people(
    features: Floats, labels: Sequence[Any] | NDArray[Any], rng: np.random.Generator
) -> tuple[Floats, Rows, NDArray[Any]]:
    """Features, the rows of each of at most MAX_PEOPLE people, and their names."""
    features = np.asarray(features, np.float32)
    names, who = np.unique(np.asarray(labels), return_inverse=True)
    order = np.argsort(who, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(who[order])) + 1) if len(order) else []
    people = np.sort(rng.permutation(len(rows))[:MAX_PEOPLE])
    return features, [rows[person] for person in people], names[people]


def check_people(features: Floats, rows: Rows, several: Rows) -> None:
    """Raise WebbodyError when no threshold can be measured."""
    faces = sum(map(len, rows))
    if len(several) < LEAST:
        raise WebbodyError(
            f"Calibration needs several pictures with a clear face of at least {LEAST} people "
            f"({ROUGH} or more are good); there are {faces} faces of {len(rows)} people, and "
            f"{len(several)} of them have more than one."
        )
    used = features[np.concatenate(rows)]
    broken = int((~np.isfinite(used).all(1)).sum())
    if broken:
        raise WebbodyError(
            f"{broken} of {faces} features hold values that are no numbers: the embedder does not "
            "work on this machine (half precision?); try resources.device=cpu or another file."
        )
    if float(np.ptp(unit(used), axis=0).max(initial=0)) < 1e-3:
        raise WebbodyError(
            "The embedder gives every face the same feature; its file is damaged or meant for "
            "other input: choose another one in faces.embedder."
        )


def copy_cosines(features: Floats, rows: Rows, copies: Floats | None) -> Floats | None:
    """Cosines of faces and their copies; faces without a copy are left out."""
    if copies is None:
        return None
    used = np.concatenate(rows)
    again = (unit(features[used]) * unit(np.asarray(copies)[used])).sum(1)
    whole: Floats = again[np.isfinite(again)]
    return whole


def face_cosines(features: Floats, rows: Rows, rng: np.random.Generator) -> Floats:
    """Cosines of pairs of faces of one person: all, or a sample of MAX_SAME."""
    count = np.array([len(own) * (len(own) - 1) // 2 for own in rows])
    share = min(1.0, MAX_SAME / int(count.sum()))
    parts = []
    for own in rows:
        faces = unit(features[own])
        a, b = np.triu_indices(len(own), 1) if len(own) < 1000 else _some_pairs(len(own), rng)
        kept = rng.random(len(a)) < share if share < 1 else slice(None)
        parts.append((faces[a[kept]] * faces[b[kept]]).sum(1))
    return np.concatenate(parts)


def _some_pairs(
    count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    a = rng.integers(count, size=500_000)
    return a, (a + rng.integers(1, count, size=len(a))) % count
