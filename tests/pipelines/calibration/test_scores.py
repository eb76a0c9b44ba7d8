"""What thresholds of scores keep, with and without the truth."""

import numpy as np
import pytest
import yaml
from PIL import Image

from pipelines.calibration.sampled import drawn_scenes, pictures_of, score_pictures
from pipelines.calibration.scores import ScoreSample, picture
from tests.command_line import one_sentence, run
from webbody.cli.people import demo_models
from webbody.config import load
from webbody.errors import WebbodyError


def known(now: float) -> ScoreSample:
    """True findings above 0.4, false ones below 0.6."""
    high, low = np.linspace(0.41, 0.99, 59).tolist(), np.linspace(0.01, 0.59, 30).tolist()
    right = [True] * len(high) + [False] * len(low)
    return ScoreSample("faces", "faces.min_score", now, high + low, right, positives=len(high))


def test_shares_precision_and_recall():
    scores = known(0.5)
    assert scores.kept(0) == 1
    assert scores.kept(0.6) == pytest.approx(40 / 89, abs=0.012)
    precision, recall, f1 = scores.precision_recall(0.6)
    assert precision == 1
    assert recall == pytest.approx(40 / 59, abs=0.02)
    assert f1 == pytest.approx(2 * recall / (1 + recall))
    low, high = scores.best()
    assert 0.35 <= low <= high <= 0.6
    assert (
        ScoreSample("faces", "a.b", 0.2).report_lines().__next__().startswith("faces: none found")
    )


def test_what_is_set_stays_where_nothing_is_better():
    low, high = known(0.5).best()
    assert known(low).suggested() == low
    assert low <= known(0.95).suggested() <= high


def test_a_threshold_of_another_model_is_told():
    scores = known(0.995)
    assert any("keeps 0.0% of the faces" in warning for warning in scores.warnings())
    assert list(known(0.5).warnings()) == []
    assert any("No faces" in warning for warning in ScoreSample("faces", "a.b", 0.5).warnings())


def test_the_table_shows_quartiles_and_every_threshold():
    lines = list(ScoreSample("faces", "faces.min_score", 0.5, [0.2, 0.4, 0.6, 0.8]).report_lines())
    assert "scores 0.20 0.35 0.50 0.65 0.80" in lines[0]
    assert "which keeps 50.0%" in lines[0]
    assert "from 0.3:  75.0% kept" in lines[3]
    assert len(lines) == 10


def test_the_picture(tmp_path):
    out = tmp_path / "new" / "scores.png"
    picture([known(0.5), ScoreSample("persons", "persons.confidence", 0.7, [0.5, 0.9])], str(out))
    with Image.open(out) as drawn:
        assert drawn.size[0] > 2 * drawn.size[1] > 200
    with pytest.raises(WebbodyError, match=r"name a \.png file"):
        picture([known(0.5)], str(tmp_path / "scores.nonsense"))


def test_scores_of_drawn_scenes_beside_the_truth():
    settings = load(None, (), base=demo_models())
    persons, faces, keypoints = score_pictures(drawn_scenes(6), settings)
    for one in (persons, faces, keypoints):
        assert len(one.scores) == len(one.right) > 0
        assert one.positives > 0
        assert all(0 <= score <= 1 for score in one.scores)
    precision, recall, _ = persons.precision_recall(persons.now)
    assert precision > 0.8
    assert recall > 0.8
    assert keypoints.positives > 5 * persons.positives


def test_pictures_of_a_sample(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "one.jpg")
    Image.new("RGB", (80, 60)).save(tmp_path / "two.png")
    assert [rgb.shape for rgb, _ in pictures_of([str(tmp_path)])] == [(60, 80, 3)] * 2
    settings = load(None, (), base=demo_models())
    found = score_pictures(pictures_of([str(tmp_path)]), settings)
    assert [one.right for one in found] == [[], [], []]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WebbodyError, match="no picture"):
        list(pictures_of([str(empty)]))


def test_the_command_says_what_it_wants():
    for arguments in ((), ("--out", "scores.png", "people/")):
        code, _, error = run("calibrate", *arguments)
        assert code == 2
        assert one_sentence(error)
        assert "--sample" in error


def test_the_command_on_a_sample(tmp_path):
    for number, (rgb, _) in enumerate(drawn_scenes(2)):
        Image.fromarray(rgb).save(tmp_path / f"{number}.png")
    settings = tmp_path / "demo.yaml"
    settings.write_text(yaml.safe_dump(demo_models()))
    out = tmp_path / "scores" / "of.png"
    code, said, error = run("calibrate", "--sample", tmp_path, "--out", out, "-c", settings)
    assert (code, error) == (0, "")
    assert out.stat().st_size > 5000
    assert "# persons: " in said
    assert "# faces: " in said
    assert yaml.safe_load(said) is None  # without truth nothing is suggested
