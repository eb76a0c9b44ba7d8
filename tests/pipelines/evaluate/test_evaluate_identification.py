"""IJB-B and IJB-C one against many: who is found in the gallery, and who is turned away."""

import numpy as np
import pytest
from evaluated_trees import figures_of, write_ijb

from pipelines.evaluate.report.tables import rows

PAIRS = "101 201 1\n101 202 0\n"
#: Templates and people: the third person is in both halves, the sixth in none.
SEARCH = {
    "gallery_S1": [(101, 1), (101, 1), (102, 2), (103, 3)],
    "gallery_S2": [(113, 3), (114, 4), (115, 5)],
    "probe_mixed": [(201, 1), (202, 2), (203, 3), (204, 4), (205, 5), (201, 1)],
}


def people(search):
    """The person of each template."""
    return {template: person for listed in search.values() for template, person in listed}


def evaluated(tmp_path, search, features, name="ijbb"):
    """The figures of a tree with an image for each template, and a feature of each (None: none)."""
    faces = {f"{template}.jpg": (template, 1, 0.5) for template in people(search)}
    lists = {
        kind.replace("S", "G") if "ijbc" in name else kind: listed
        for kind, listed in search.items()
    }
    write_ijb(tmp_path / name, faces, PAIRS, lists, name=name.removesuffix("_aligned"))
    named = {f"loose_crop/{template}.jpg": feature for template, feature in features.items()}
    return figures_of(tmp_path, name, named)


def one_hot(search):
    return {template: np.eye(8)[person] for template, person in people(search).items()}


@pytest.mark.parametrize("name", ["ijbb", "ijbc", "ijbb_aligned", "ijbc_aligned"])
def test_perfect_features_find_everybody(tmp_path, name):
    (found,) = evaluated(tmp_path, SEARCH, one_hot(SEARCH), name)
    pairs, figure = found.figures
    assert pairs.name == ("aligned" if "aligned" in name else "loose crops")
    assert figure.name == "identification" and set(figure.metrics.values()) == {1}
    assert list(figure.metrics) == ["top1", "top5", "top10", "TPIR@FPIR=0.01", "TPIR@FPIR=0.1"]
    # A template counts once, however many of its images a list names.
    assert figure.counts["probes"] == 5 and figure.counts["in the gallery"] == 6
    assert figure.counts["probes without a match"] == 0
    assert figure.curve.kind == "CMC" and figure.curve.y.tolist() == [1] * 6
    # The people of the other half only are strangers to a half.
    assert figure.notes == [
        f"2 strangers to half {half} of the gallery are too few for a FPIR of 0.01, 0.1"
        for half in (1, 2)
    ]
    assert not any("1:N" in note for note in pairs.notes)
    assert ("identification", "top1") in {(row.figure, row.metric) for row in rows([found])}


def test_a_stranger_who_looks_like_somebody_closes_a_half(tmp_path):
    search = SEARCH | {"probe_mixed": [*SEARCH["probe_mixed"], (206, 6)]}
    features = one_hot(search)
    features[206] = features[101]
    figure = evaluated(tmp_path, search, features)[0].figures[1]
    assert figure.metrics["top1"] == 1
    assert figure.counts["probes"] == 5 and figure.counts["probes without a match"] == 1
    # Nobody is more similar to somebody of the first half; in the second all are found.
    assert figure.metrics["TPIR@FPIR=0.01"] == figure.metrics["TPIR@FPIR=0.1"] == 0.5


def test_templates_without_a_feature_are_not_found(tmp_path):
    features = one_hot(SEARCH) | {102: None, 204: None}
    figure = evaluated(tmp_path, SEARCH, features)[0].figures[1]
    assert figure.metrics["top1"] == 3 / 5 and figure.counts["images without a feature"] == 2


def test_halves_without_people_of_the_probes_are_told(tmp_path):
    search = SEARCH | {"probe_mixed": [(204, 4), (205, 5), (201, 4), (202, 5)]}
    figure = evaluated(tmp_path, search, one_hot(search))[0].figures[1]
    assert figure.metrics["top1"] == 1 and np.isnan(figure.metrics["TPIR@FPIR=0.1"])
    assert figure.notes[0] == "nobody of half 1 of the gallery is a probe"


def test_figures_are_those_of_a_plain_computation(tmp_path):
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(40, 16))
    search = {
        "gallery_S1": [(100 + person, person) for person in range(20)],
        "gallery_S2": [(200 + person, person) for person in range(15, 30)],
        "probe_mixed": [(300 + n, int(person)) for n, person in enumerate(rng.integers(0, 40, 90))],
    }
    faces, features, plain = {}, {}, {}
    for template, person in people(search).items():
        total = np.zeros(16)
        for media in range(1 + template % 3):
            weighted = []
            for image in range(1 + template % 2):
                name, score = f"{template}_{media}_{image}.jpg", float(rng.uniform(0.1, 1))
                faces[name] = (template, media, score)
                feature = rng.uniform(1, 9) * (centre[person] + rng.normal(size=16))
                features[f"loose_crop/{name}"] = feature
                weighted.append(score * feature / np.linalg.norm(feature))
            total += np.mean(weighted, 0)
        plain[template] = total / np.linalg.norm(total)
    pairs = "100 215 0\n115 215 1\n"
    write_ijb(tmp_path / "ijbb", faces, pairs, search)
    metrics = figures_of(tmp_path, "ijbb", features)[0].figures[1].metrics

    def ranked(gallery, probe):
        """Whether each gallery template is of the probe's person, from the best; the cosines."""
        found = sorted(((plain[t] @ plain[probe[0]], who == probe[1]) for t, who in gallery))[::-1]
        return [hit for _, hit in found], [cosine for cosine, _ in found]

    halves = [search["gallery_S1"], search["gallery_S2"]]
    hits = [ranked(halves[0] + halves[1], probe)[0] for probe in search["probe_mixed"]]
    mated = [hit for hit in hits if any(hit)]
    assert 30 < len(mated) < 90
    for k in (1, 5, 10):
        assert metrics[f"top{k}"] == pytest.approx(np.mean([any(hit[:k]) for hit in mated]))
    assert 0.2 < metrics["top1"] < metrics["top5"] < metrics["top10"]
    for fpir in (0.01, 0.1):
        rates = []
        for half in halves:
            all_ranked = [ranked(half, probe) for probe in search["probe_mixed"]]
            strangers = sorted((cos[0] for hit, cos in all_ranked if not any(hit)), reverse=True)
            allowed = int(len(strangers) * fpir)
            known = [(hit[0], cos[0]) for hit, cos in all_ranked if any(hit)]
            # As many strangers as are allowed pass, and with them who is as similar.
            bound = strangers[allowed - 1] if allowed else strangers[0] + 1e-5
            rates.append(np.mean([hit and cosine >= bound for hit, cosine in known]))
        assert metrics[f"TPIR@FPIR={fpir:g}"] == pytest.approx(np.mean(rates))
        assert 0.1 < np.mean(rates) < 1
