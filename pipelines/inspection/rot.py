"""What became of a release's pictures since it was published: same, encoded anew, changed, gone."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from pipelines.engine.build_files import BuildFiles
from pipelines.engine.graph import FROM_RELEASE
from pipelines.stages.released.crops import CHANGED, REENCODED, SAME
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.parquet_tables import read_parquet
from webbody.url_grammar import host_of

GONE, OPTED_OUT, TAKEN_DOWN, UNUSABLE = "gone", "opted out", "taken down", "unusable"
#: What can become of a picture, from best to worst; unusable is a row that no picture can fix.
STATES = (SAME, REENCODED, CHANGED, GONE, OPTED_OUT, TAKEN_DOWN, UNUSABLE)
REPORT, PICTURE = "rot.json", "rot.png"
#: Domains that are told by name; the others together.
MOST = 20
_OTHERS = "(others)"


@dataclass
class Rot:
    """Counts of samples by state: in all, by domain, and by the year of their publication."""

    total: Counter[str] = field(default_factory=Counter)
    domains: dict[str, Counter[str]] = field(default_factory=dict)
    years: dict[str, Counter[str]] = field(default_factory=dict)
    published_digest: str = ""
    digest: str = ""

    @property
    def identical(self) -> bool:
        """Whether the packed shards are the publisher's, byte for byte."""
        return bool(self.digest) and self.digest == self.published_digest

    def add(self, state: str, url: str | None, year: int | None) -> None:
        self.total[state] += 1
        domain = host_of(url) if url else "(not told)"
        self.domains.setdefault(domain, Counter())[state] += 1
        self.years.setdefault(str(year or "unknown"), Counter())[state] += 1

    def to_json(self) -> dict[str, Any]:
        """As values for JSON; a share is of all samples."""
        rows = self.total.total()
        return {
            "samples": rows,
            "states": {state: self.total[state] for state in STATES},
            "shares": {state: round(self.total[state] / max(rows, 1), 6) for state in STATES},
            "domains": {name: _counts(found) for name, found in _sorted(self.domains)},
            "years": {name: _counts(found) for name, found in sorted(self.years.items())},
            "digest": self.digest,
            "published_digest": self.published_digest,
            "identical": self.identical,
        }

    def largest_domains(self) -> list[tuple[str, Counter[str]]]:
        """The domains with most samples, at most MOST, and what the others have together."""
        ordered = _sorted(self.domains)
        rest: Counter[str] = Counter()
        for _, found in ordered[MOST:]:
            rest += found
        return [*ordered[:MOST], *([(_OTHERS, rest)] if rest else [])]


def read_rot(out: str) -> Rot:
    """What became of the samples of the release that a folder was built from.

    Raises WebbodyError where it is no finished build from a release.
    """
    with BuildFiles(out) as build:
        if build.graph is not FROM_RELEASE:
            raise WebbodyError(
                f"{out}: is not built from a release; a release rots, and `webbody status` tells "
                "what became of a manifest's rows."
            )
        build.records.need("ledger", build.planned[0] if build.planned else "all")
        rot = Rot()
        with build.folder.open("plan/rejected.parquet") as file:
            for url, outcome in _columns(file, "url", "outcome"):
                rot.add(TAKEN_DOWN if outcome == "takedown" else UNUSABLE, url, None)
        for shard in build.planned:
            crops = build.rows("crops", shard, ("key", "state"))
            states = {row["key"]: row["state"] for row in crops}
            fetched = build.rows("download", shard, ("key", "outcome"))
            outcomes = {row["key"]: row["outcome"] for row in fetched}
            for row in build.rows("plan", shard, ("key", "url", "published")):
                state = states.get(row["key"]) or _of_outcome(outcomes.get(row["key"]))
                rot.add(state, row["url"], row["published"])
        rot.published_digest = build.records.build.get("published_digest", "")
        index = parse_json(build.folder.read("pack/index.json"))
        rot.digest = index.get("digest", "")
        return rot


def _of_outcome(outcome: str | None) -> str:
    """The state of a picture that did not come as far as the crops, or could not be decoded."""
    if outcome in ("download:opt-out", "download:robots"):
        return OPTED_OUT
    if outcome == "takedown":
        return TAKEN_DOWN
    return GONE if outcome and outcome.startswith("download:") else CHANGED


def write_rot(rot: Rot, build_folder: Any) -> None:
    """Write rot.json and rot.png into a build folder."""
    text = json.dumps(rot.to_json(), indent=1, ensure_ascii=False)
    build_folder.write_bytes(REPORT, (text + "\n").encode())
    with build_folder.write(PICTURE) as file:
        draw(rot, file)


_COLOURS = ("#2f7d4f", "#8fbf6a", "#e0a030", "#b9bec6", "#6f63b5", "#c0504d", "#4a4f57")


def draw(rot: Rot, file: IO[bytes]) -> None:
    """The shares of the states as a PNG: by domain, and by year."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    parts = [
        ("by domain", rot.largest_domains()),
        ("by year of publication", sorted(rot.years.items())),
    ]
    heights = [len(rows) + 1 for _, rows in parts]
    figure = Figure(figsize=(8, 1.6 + 0.32 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, rows) in zip(
        figure.subplots(2, 1, height_ratios=heights), parts, strict=True
    ):
        names = [f"{name} ({found.total():,})" for name, found in rows][::-1]
        left = [0.0] * len(rows)
        for state, colour in zip(STATES, _COLOURS, strict=True):
            shares = [found[state] / max(found.total(), 1) for _, found in rows][::-1]
            axes.barh(names, shares, left=left, color=colour, label=state)
            left = [a + b for a, b in zip(left, shares, strict=True)]
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=len(STATES), fontsize=8, frameon=False
    )
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})


def _counts(found: Counter[str]) -> dict[str, int]:
    return {state: found[state] for state in STATES if found[state]}


def _sorted(found: dict[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    return sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))


def _columns(file: IO[bytes], *names: str) -> Iterable[tuple[Any, ...]]:

    table = read_parquet(file, columns=list(names))
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))
