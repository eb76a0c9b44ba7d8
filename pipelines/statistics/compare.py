"""The figures of a build or a release, and two of them side by side."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.statistics.body_figures import BodyFigures
from pipelines.statistics.matching import matched
from pipelines.statistics.sources import SampleSource
from webbody.releases.figures import SampleFigures

#: Domains that are listed.
MOST = 20
#: Figures from metadata of responses.
_OF_SERVERS = ("known", "fetched", "opt_out")


def statistics(url: str) -> dict[str, Any]:
    """All figures of a complete build or of a release, ready for JSON.

    `samples` and `build` are those of a release's figures.json, `body` what samples show of their
    people, `top_domains` the domains with most samples. Raises WebbodyError where it is neither.
    """
    return _statistics(SampleSource(url))[0]


def _statistics(source: SampleSource) -> tuple[dict[str, Any], Counter[str]]:
    """The figures, and the samples of every domain."""
    samples, body = SampleFigures(), BodyFigures()
    for table in source.tables():
        samples.add(table)
        body.add(table)
    domains, figures = samples.domains, samples.to_json()
    if source.kind == "build":  # which keeps what servers said elsewhere
        figures = {name: one for name, one in figures.items() if name not in _OF_SERVERS}
    all_figures = {
        "source": source.url,
        "kind": source.kind,
        "samples": figures,
        "body": body.to_json(),
        "top_domains": {name: domains[name] for name in _top(domains)},
        source.kind: source.about(),
    }
    return all_figures, domains


def _top(domains: Counter[str]) -> list[str]:
    return sorted(domains, key=lambda name: (-domains[name], name))[:MOST]


def difference(a: str, b: str) -> dict[str, Any]:
    """Two builds or releases side by side, ready for JSON.

    `a`, `b`: the figures of both. `matched`: samples by key, people by the samples that both have.
    `figures`: those that differ, and by how much that of b is larger; `domains` likewise, of those
    with most samples; `settings` of two builds that differ.
    """
    one, other = SampleSource(a), SampleSource(b)
    (figures_a, domains_a), (figures_b, domains_b) = _statistics(one), _statistics(other)
    named = dict.fromkeys([*_top(domains_a), *_top(domains_b)])
    return {
        "a": figures_a,
        "b": figures_b,
        "matched": matched(one.labels(), other.labels()),
        "figures": _differing(_comparable(figures_a, figures_b), _comparable(figures_b, figures_a)),
        "domains": _differing(*({n: some[n] for n in named} for some in (domains_a, domains_b))),
        "settings": _settings(figures_a, figures_b),
    }


def _comparable(figures: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that the other has, too, without settings and the list of domains."""
    build = ("rows", "outcomes", "face_side") if "build" in figures and "build" in other else ()
    selected = {"samples": other["samples"].keys(), "body": other["body"].keys(), "build": build}
    return {
        section: {name: one for name, one in figures.get(section, {}).items() if name in names}
        for section, names in selected.items()
    }


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"a": was, "b": now, "difference": round(now - was, 6)}
        for name, was, now in side_by_side(a, b)
        if was != now
    }


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of two builds that differ, by section.name."""
    both = [one.get("build", {}).get("settings", {}) for one in (a, b)]
    return {
        f"{section}.{name}": {"a": value, "b": both[1][section][name]}
        for section, values in both[0].items()
        for name, value in values.items()
        if section in both[1] and value != both[1][section].get(name)
    }


def side_by_side(
    a: Mapping[str, Any], b: Mapping[str, Any], before: str = ""
) -> Iterator[tuple[str, float, float]]:
    """Every number of both by its name, such as samples.people.

    A number that one has not is 0 there, as classes without samples are left out; a whole group
    that one has not is skipped.
    """
    for name in dict.fromkeys([*a, *b]):
        was, now = a.get(name, 0), b.get(name, 0)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from side_by_side(was, now, f"{before}{name}.")
        elif isinstance(was, int | float) and isinstance(now, int | float):
            yield before + name, was, now
