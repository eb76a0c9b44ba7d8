"""What a build says of its end where nearly nothing is left: whole builds, and the arithmetic."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.diagnostics.ending import Ending, losses, read_ending, reported_losses
from pipelines.diagnostics.sentences import sentences
from pipelines.inspection.report import write_report
from pipelines.outcomes import STAGES_OF, look_at, setting_of, stage_of, value_of
from tests.command_line import one_sentence, run
from webbody.config import BuildConfig

OUTCOMES = (
    "kept", "incomplete", "manifest:duplicate", "download:dns", "image:too-small", "person:none",
    "face:low-score", "face:none", "custom:blurred", "cluster:noise", "identity:leak:lfw",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(OUTCOMES), st.integers(1, 10_000)))
def test_losses_account_for_every_row(outcomes):
    found = losses(outcomes)
    stages = list(STAGES_OF)
    assert [loss.stage for loss in found] == sorted((x.stage for x in found), key=stages.index)
    undecided = outcomes.pop("incomplete", 0)
    left = sum(outcomes.values())
    for loss in found:
        assert loss.came == left and 0 < loss.dropped <= loss.came
        left -= loss.dropped
    assert left == outcomes.get("kept", 0)
    rows = left + undecided + sum(loss.dropped for loss in found)
    if rows and not left:
        # Whatever else is told, the stage in which the last row died is.
        assert not found or found[-1].stage in {
            loss.stage for loss in reported_losses(outcomes, rows)
        }


@pytest.mark.parametrize(
    ("outcomes", "stages"),
    [
        ({"kept": 700, "face:none": 100, "download:dns": 200}, []),
        ({"face:low-score": 817, "image:not-an-image": 12}, ["faces"]),
        ({"kept": 3, "download:dns": 960, "person:none": 20}, ["download", "persons"]),
        ({"kept": 20, "download:dns": 960, "person:none": 20}, ["download"]),
        # Each stage is bearable, but little gets through.
        (
            {"kept": 4, "download:dns": 800, "person:none": 150, "face:none": 46},
            ["download", "persons", "faces"],
        ),
        (
            {"cluster:noise": 18, "cluster:minor": 2, "identity:duplicate-of": 5},
            ["clusters", "identities"],
        ),
        ({"kept": 1, "download:dns": 20}, []),
        ({"download:dns": 1}, ["download"]),
        ({"download:dns": 960, "cluster:too-few": 40}, ["download", "clusters"]),
    ],
)
def test_which_losses_are_told(outcomes, stages):
    assert [loss.stage for loss in reported_losses(outcomes, sum(outcomes.values()))] == stages


def test_own_filters_are_named():
    settings = {"filters": [{"function": "blur:sharp"}, {"function": "bodies:whole"}]}
    assert look_at("custom:blurred", settings).endswith(": blur:sharp, bodies:whole")
    assert look_at("custom:blurred", {}).endswith(": none is set now")


def test_every_named_setting_exists():
    from pipelines import outcomes

    known = BuildConfig().model_dump()
    for outcome in outcomes._DECIDED_BY:
        section, name = setting_of(outcome).split(".")
        assert name in known[section]
        assert stage_of(outcome) == {"rebuild": "crops"}.get(section, section)


def build_with(demo, tmp_path, *overrides):
    """`webbody build` of a copy of the demo's build with other settings; what `run` gives."""
    out = tmp_path / "copy"
    if not out.exists():
        shutil.copytree(demo.out, out)
    file = tmp_path / "settings.yaml"
    config = demo.settings(out, *overrides)
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return out, *run("build", "--config", file)


def test_a_threshold_of_another_detector_is_told_with_the_scores(demo, in_process, tmp_path):
    out, code, text, _ = build_with(demo, tmp_path, "faces.min_score=0.9999")
    assert code == 3
    assert "Complete" not in text
    scores: dict[str, float] = {}
    for path in out.glob("faces/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            if row["score"] is not None:
                scores[row["key"]] = max(row["score"], scores.get(row["key"], 0))
    low, middle, high = np.quantile(list(scores.values()), (0.25, 0.5, 0.75))
    assert "Nothing was kept" in text
    assert "faces dropped all of the" in text and "face:low-score" in text
    assert f"quartiles {low:.2f}, {middle:.2f}, {high:.2f}" in text
    assert "look at faces.min_score: now 1.00, which 0.0% of these pass" in text
    # What is said of another value holds.
    ending = read_ending(str(out))
    measured = ending.losses[0][1].scores
    for value, share in measured.passing:
        assert share == pytest.approx(np.mean(np.array(list(scores.values())) >= value - 1e-6))
    assert measured.passing[-1][1] >= 0.9

    # The same command again: nothing to do, and not a word of success.
    _, code, text, _ = build_with(demo, tmp_path, "faces.min_score=0.9999")
    assert code == 3
    assert "Nothing was kept" in text
    assert "Complete" not in text and "up to date" not in text

    code, text, _ = run("status", out)
    assert code == 3
    assert "Nothing was kept" in text
    page = (out / "report.html").read_text() if write_report(str(out)) else ""
    assert "Nothing was kept" in page and "faces.min_score" in page
    code, _, error = run("embed", out, "--checkpoint", tmp_path, "--out", tmp_path / "f.parquet")
    assert code == 2 and one_sentence(error)

    # With the value that was suggested most are kept again.
    out, code, text, _ = build_with(demo, tmp_path, f"faces.min_score={measured.passing[-1][0]}")
    assert code == 0
    assert "Nothing was kept" not in text
    assert f"Complete: {out}/pack holds" in text


def test_a_radius_that_links_nobody_is_told_with_the_cosines(demo, in_process, tmp_path):
    out, code, text, _ = build_with(demo, tmp_path, "clusters.eps=0.0001")
    ending = read_ending(str(out))
    (loss, reason), *_ = ending.losses
    assert (loss.stage, reason.setting, reason.value) == ("clusters", "clusters.eps", 0.0001)
    assert "cosines of faces to the nearest other face of their name" in text
    assert code == (3 if ending.empty else 0)
    # The suggested radius links the share of faces that was promised.
    eps, share = reason.scores.passing[-1]
    build_with(demo, tmp_path, f"clusters.eps={eps}")
    rows = [row for p in out.glob("clusters/*.parquet") for row in pq.read_table(p).to_pylist()]
    tried = [row for row in rows if row["links"] > 0 or row["outcome"] != "cluster:too-few"]
    linked = sum(row["links"] > 0 for row in tried)
    assert linked / len(tried) == pytest.approx(share, abs=0.08)


def test_a_detector_that_finds_nobody_is_told(demo, in_process, tmp_path):
    _, code, text, _ = build_with(demo, tmp_path, "persons.confidence=1")
    assert code == 3
    assert "persons dropped all of the" in text
    assert "look at persons.confidence: now 1" in text


def test_samples_of_test_people_alone_are_told():
    ending = Ending(rows=100, kept=90, samples=90, test_samples=90, people=3)
    assert "nothing to train on" in sentences(ending)[-1]
    assert sentences(Ending(rows=100, kept=90, samples=90, test_samples=20, people=3)) == []


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", '[{"url": "ftp://a/1.jpg", "name": "x"},\n7]', "manifest:bad-row"),
        ("b.csv", "url,name\nftp://a/[red]1\x1b[31m.jpg,x\nftp://a/2.jpg,y\n", "ftp://a/[red]1"),
        ("c.csv", "url,name\n,x\n,y\n", "2 manifest:no-url"),
    ],
)
def test_a_list_without_a_usable_row_is_refused_again_and_again(demo, tmp_path, name, text, reason):
    manifest, file = tmp_path / name, tmp_path / "settings.yaml"
    manifest.write_text(text)
    config = demo.settings(tmp_path / "out")
    config.manifest = str(manifest)
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    for arguments in ((), (), ("--plan",)):
        code, _, error = run("build", "--config", file, *arguments)
        assert code == 2
        assert one_sentence(error) and "\x1b" not in error
        assert "none of its 2 rows can be used" in error and reason in error


def test_values_are_read_from_settings():
    assert value_of("faces.min_size", {"faces": {"min_size": 16}}) == 16
    assert value_of("faces.min_size", {}) is None
