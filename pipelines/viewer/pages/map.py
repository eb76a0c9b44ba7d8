"""The map: people by what their faces have in common, or the faces of one person."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats, unit
from pipelines.viewer.index.people import crop_features, placed
from pipelines.viewer.index.viewed import NotInBuild, ViewedBuild
from pipelines.viewer.pages.grid import link_of
from webbody.errors import WebbodyError

#: Corners of a lasso, and faces of a person on a map.
_CORNERS = 200
_MOST_FACES = 2000


def map_of_people(viewed: ViewedBuild) -> dict[str, Any]:
    """Points of everybody for the script: places in 0..1, sizes, links."""
    people = viewed.people
    return {
        "x": _short(people.places[:, 0]), "y": _short(people.places[:, 1]),
        "size": people.images.tolist(), "link": [f"/person/{one}" for one in people.people],
        "title": [
            f"person {one}, {count} images"
            for one, count in zip(people.people, people.images, strict=True)
        ],
        "lasso": True,
    }  # fmt: skip


def map_of_faces(viewed: ViewedBuild, person: int) -> dict[str, Any]:
    """Points of a person's faces; NotInBuild where there are none."""
    rows = viewed.database.rows(
        "SELECT shard, key, crop, name, url FROM crops WHERE person = ? ORDER BY crop LIMIT ?",
        (person, _MOST_FACES),
    )
    features: list[Floats] = []
    shown = []
    for shard in sorted({row["shard"] for row in rows}):
        of_shard = [row for row in rows if row["shard"] == shard]
        found = crop_features(viewed.build, shard, [row["crop"] for row in of_shard])
        for row in of_shard:
            if row["crop"] in found:
                features.append(found[row["crop"]])
                shown.append(row)
    if not features:
        raise NotInBuild(f"{person}: no face of this person is known.")
    places = placed(unit(np.stack(features)))
    return {
        "x": _short(places[:, 0]), "y": _short(places[:, 1]), "size": [1] * len(shown),
        "link": [link_of(row) for row in shown], "title": [row["name"] or "" for row in shown],
        "lasso": False,
    }  # fmt: skip


def people_in_lasso(viewed: ViewedBuild, text: str) -> list[int]:
    """The people in a lasso of an address: x and y of its corners in thousandths of the map.

    Raises WebbodyError where it is none.
    """
    parts = text.split(",")
    if len(parts) < 6 or len(parts) > 2 * _CORNERS or len(parts) % 2:
        raise WebbodyError("lasso: needs three corners at least; draw it on the map.")
    try:
        polygon = np.array([int(part) for part in parts], np.float64).reshape(-1, 2) / 1000
    except (ValueError, OverflowError):
        raise WebbodyError("lasso: its corners are no whole numbers; draw it on the map.") from None
    return [int(person) for person in viewed.people.within(polygon)]


def _short(values: NDArray[np.floating]) -> list[float]:
    return [round(float(value), 4) for value in values]
