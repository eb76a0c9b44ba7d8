"""How likely it is that a decision about a picture is wrong."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Chances = NDArray[np.float64]

#: Cosines over which a decision at the border turns from doubtful into sure.
_BORDER = 0.07
#: The most that a neighbour says: two who look alike may both be somebody else.
_NEIGHBOUR = 0.5
#: Of what no similarity speaks about.
_UNKNOWN = 0.1
#: Of a group as large as the person: which of them bears the name?
_EQUAL = 0.5
#: Of repeats and of people who are dropped as a whole, who are judged as people.
_OTHER = 0.02


def risks(units: pa.Table) -> Chances:
    """The chance (N,) that each unit (UNITS) was decided wrongly, as far as its figures tell.

    What is kept looks like the other pictures of its person, what is noise does not: between both
    lies the similarity that as many kept ones fall short of as noise exceeds. A picture near it may
    belong to the other side. Noise may belong to the person, too, if another picture of the name is
    like it; and a group of pictures that is nearly as large as the person may be the right one.
    These are no calibrated probabilities: they only order what is looked at.
    """
    count = len(units)
    kept = pc.is_null(units["outcome"]).to_numpy()
    similarity = units["to_person"].to_numpy(zero_copy_only=False).astype(np.float64)
    nearest = units["nearest"].to_numpy(zero_copy_only=False).astype(np.float64)
    images = units["images"].to_numpy().astype(np.float64)
    people = units["person_images"].to_numpy().astype(np.float64)
    cluster = units["cluster"].to_numpy()
    noise, group = ~kept & (cluster == -1), ~kept & (cluster > 0)
    border = _border(similarity[kept], similarity[noise])

    out = np.full(count, _OTHER)
    out[kept] = _sigmoid((border - similarity[kept]) / _BORDER)
    lost = np.nan_to_num(_sigmoid((similarity - border) / _BORDER), nan=_UNKNOWN)
    friends = _sigmoid((nearest - border) / _BORDER)
    alike = np.nan_to_num(_NEIGHBOUR * friends, nan=0.0)
    out[noise] = np.maximum(lost, alike)[noise]
    rivals = _EQUAL * np.minimum(images / np.maximum(people, 1), 1) ** 2
    out[group] = np.maximum(rivals, np.where(people > 0, lost, rivals))[group]
    return np.asarray(np.nan_to_num(out, nan=_UNKNOWN), np.float64)


def priorities(units: pa.Table) -> Chances:
    """What order units are looked at in: the risk, times the root of the pictures it is about."""
    sizes = pc.list_value_length(units["crops"]).to_numpy()
    return np.asarray(risks(units) * np.sqrt(sizes), np.float64)


def _border(kept: Chances, noise: Chances) -> float:
    """The similarity at which the share of kept ones below equals that of noise above."""
    kept, noise = kept[np.isfinite(kept)], noise[np.isfinite(noise)]
    if not len(kept) or not len(noise):
        return 0.5
    at = np.linspace(0, 1, 201)
    below = np.searchsorted(np.sort(kept), at) / len(kept)
    above = 1 - np.searchsorted(np.sort(noise), at, side="right") / len(noise)
    apart = np.abs(below - above)
    return float(at[apart == apart.min()].mean())


def _sigmoid(x: Chances) -> Chances:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float64)
