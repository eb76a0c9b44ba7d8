"""The figures of a build or a release, and two of them side by side."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.statistics.body_figures import BodyFigures
from pipelines.statistics.matching import matched
from pipelines.statistics.sources import SampleSource
from webbody.releases.figures import SampleFigures

#: Domains that are told by name.
MOST = 20


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
    domains = samples.domains
    told = {
        "source": source.url,
        "kind": source.kind,
        "samples": samples.told(),
        "body": body.told(),
        "top_domains": {name: domains[name] for name in _top(domains)},
        source.kind: source.about(),
    }
    return told, domains


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
        "figures": _differing(_comparable(figures_a), _comparable(figures_b)),
        "domains": _differing(*({n: some[n] for n in named} for some in (domains_a, domains_b))),
        "settings": _settings(figures_a, figures_b),
    }


def _comparable(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What can be subtracted: no settings, no list of domains."""
    build = figures.get("build", {})
    own = {name: build[name] for name in ("rows", "outcomes", "face_side") if name in build}
    return {name: figures[name] for name in ("samples", "body")} | ({"build": own} if own else {})


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of parts that both have, where they differ."""
    return {
        name: {"a": was, "b": now, "difference": round(now - was, 6)}
        for name, was, now in side_by_side(a, b)
        if was != now and name.partition(".")[0] in a.keys() & b.keys()
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


def side_by_side(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Every number of both by its name, such as samples.people; what one has not is 0 there."""
    flat = dict(_numbers(a)), dict(_numbers(b))
    for name in dict.fromkeys([*flat[0], *flat[1]]):
        yield name, flat[0].get(name, 0), flat[1].get(name, 0)


def _numbers(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield before + name, value
