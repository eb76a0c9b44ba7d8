"""The Grafana board: that it can be imported, and asks for series that a build exports."""

import json
import re

from deploy_files import read

from pipelines.monitoring.series import ALL

BOARD = json.loads(read("grafana.json"))
#: Words of PromQL in its expressions.
PROMQL = {"sum", "max", "by", "rate"}


def expressions():
    return [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def test_it_has_what_an_import_needs():
    assert BOARD["title"] and BOARD["uid"] and BOARD["schemaVersion"] >= 36
    assert BOARD.get("id") is None  # a number of another Grafana would refuse it
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["build"]["query"]["query"] == "label_values(ray_webbody_shards, build)"
    for panel in BOARD["panels"]:
        assert panel["title"] and panel["type"] in ("timeseries", "bargauge")
        assert panel["targets"] and {"x", "y", "w", "h"} == panel["gridPos"].keys()
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(s == {"type": "prometheus", "uid": "${datasource}"} for s in sources)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_no_two_panels_lie_on_one_another():
    taken = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_every_series_is_shown_with_its_own_labels_and_no_other_is_asked_for():
    labels = {f"ray_{series.name}": {"build", *series.labels} for series in ALL}
    seen = set()
    for expression in expressions():
        assert expression.count("(") == expression.count(")")
        selectors = dict(re.findall(r"(\w+)\{([^}]*)\}", expression))
        for name, selector in selectors.items():
            chosen = set(re.findall(r"(\w+)=", selector))
            assert "build" in chosen and chosen <= labels[name], expression
        rest = re.sub(r"\{[^}]*\}|\[\w+\]", "", expression)
        others = set(re.findall(r"[a-z_]+", rest)) - PROMQL - selectors.keys()
        assert others <= set.intersection(*(labels[name] for name in selectors)), expression
        seen |= selectors.keys()
    assert seen == labels.keys()


def test_only_what_grows_is_asked_for_its_rate():
    grows = {f"ray_{series.name}" for series in ALL if series.counts}
    for expression in expressions():
        assert set(re.findall(r"rate\((\w+)", expression)) <= grows
