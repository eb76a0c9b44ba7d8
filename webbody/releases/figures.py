"""The figures of a release that follow from its rows, so that anybody can count them again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webbody import skeleton
from webbody.releases.format import SPLITS

#: Lower ends of the classes in which images a person, and pixels, are counted.
IMAGES = (1, 2, 3, 4, 5, 10, 20, 50, 100, 200)
PIXELS = (0, 32, 64, 128, 256, 384, 512, 1024, 2048)


def domain(url: str) -> str:
    """The host of a URL in lower case, without `www.`, port and password."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def classes(values: NDArray[Any], ends: Sequence[int]) -> dict[str, int]:
    """How many values lie in each class, by its name such as 5-9; empty ones are left out."""
    which = np.searchsorted(ends, values, "right") - 1
    counts = np.bincount(which, minlength=len(ends)).tolist()
    nexts = [*(end - 1 for end in ends[1:]), None]
    names = [
        f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
        for low, high in zip(ends, nexts, strict=True)
    ]
    return {name: n for name, n in zip(names, counts, strict=True) if n}


class SampleFigures:
    """Counts the rows of a release as they come."""

    def __init__(self) -> None:
        self.domains: Counter[str] = Counter()
        self._people: dict[str, Counter[int]] = {}
        self._seen = np.zeros(skeleton.COUNT, np.int64)
        self._heights: list[NDArray[np.int32]] = []
        self._known: Counter[str] = Counter()
        self._days: set[date] = set()

    def add(self, table: pa.Table) -> None:
        """Count rows of SCHEMA."""
        self.domains.update(map(domain, table["url"].to_pylist()))
        for split, person in zip(
            table["split"].to_pylist(), table["person"].to_pylist(), strict=True
        ):
            self._people.setdefault(split, Counter())[person] += 1
        points = table["keypoints"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        self._seen += (points.reshape(-1, skeleton.COUNT, 3)[..., 2] > 0).sum(0)
        boxes = table["box"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        boxes = boxes.reshape(-1, 4) * table["height"].to_numpy()[:, None]
        self._heights.append(np.round(boxes[:, 3] - boxes[:, 1]).astype(np.int32))
        for name in ("fetched", "etag", "last_modified", "opt_out"):
            self._known[name] += len(table) - table[name].null_count
        self._days.update(pc.unique(table["fetched"]).drop_null().to_pylist())

    def to_json(self) -> dict[str, Any]:
        """All figures, ready for JSON; shares lie between 0 and 1."""
        count = sum(self.domains.values())
        images = np.array([n for one in self._people.values() for n in one.values()], np.int64)
        heights = np.concatenate([np.zeros(0, np.int32), *self._heights])
        days = sorted(self._days)
        visible = (self._seen / max(count, 1)).round(6).tolist()
        return {
            "samples": count,
            "people": len(set().union(*self._people.values())),
            "splits": {
                split: {"samples": one.total(), "people": len(one)}
                for split, one in sorted(self._people.items(), key=lambda i: SPLITS.index(i[0]))
            },
            "images_a_person": {
                "people": classes(images, IMAGES),
                "mean": _mean(images),
                "median": _median(images),
                "most": int(images.max(initial=0)),
            },
            "person_height": {"samples": classes(heights, PIXELS), "median": _median(heights)},
            "visible": dict(zip(skeleton.NAMES, visible, strict=True)),
            "domains": len(self.domains),
            "known": {name: self._known[name] for name in ("fetched", "etag", "last_modified")},
            "fetched": [days[0].isoformat(), days[-1].isoformat()] if days else None,
            "opt_out": self._known["opt_out"],
        }


def count(tables: Iterable[pa.Table]) -> SampleFigures:
    """The figures of all rows."""
    figures = SampleFigures()
    for table in tables:
        figures.add(table)
    return figures


def domain_table(domains: Mapping[str, int]) -> pa.Table:
    """Every domain with its samples, largest first."""
    order = sorted(domains.items(), key=lambda item: (-item[1], item[0]))
    names, counts = [name for name, _ in order], [n for _, n in order]
    return pa.table(
        {"domain": pa.array(names, pa.string()), "samples": pa.array(counts, pa.int64())}
    )


def _mean(values: NDArray[Any]) -> float:
    return round(float(values.mean()), 2) if len(values) else 0.0


def _median(values: NDArray[Any]) -> float:
    return float(np.median(values)) if len(values) else 0.0
