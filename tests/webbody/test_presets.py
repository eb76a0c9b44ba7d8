"""The presets that ship: they load, and they are what they say."""

import pytest
import yaml
from typer.testing import CliRunner

from webbody.cli import app
from webbody.config import PRESETS, BuildConfig, load, read_preset
from webbody.errors import WebbodyError
from webbody.model_table import FACE_DETECTOR, FACE_EMBEDDER, KEYPOINTS, PERSONS, find


def build_presets() -> list[str]:
    return [path.stem.partition("-")[2] for path in PRESETS.glob("build-*.yaml")]


@pytest.mark.parametrize("name", build_presets())
def test_a_preset_of_a_build_has_settings_and_known_models_only(name):
    config = load(base=read_preset("build", name))
    assert find(config.persons.model, PERSONS) and find(config.keypoints.model, KEYPOINTS)
    assert find(config.faces.detector, FACE_DETECTOR) and find(config.faces.embedder, FACE_EMBEDDER)


def test_the_papers_preset_is_the_defaults_but_for_the_size_of_shards():
    config = load(base=read_preset("build", "webbody4m"))
    assert config.persons.confidence == find(config.persons.model, PERSONS).contract.threshold
    config.plan, config.persons.confidence = BuildConfig().plan, None
    assert config == BuildConfig()


def test_the_permissive_preset_has_permissive_models_only():
    config = load(base=read_preset("build", "permissive"))
    models = (
        find(config.persons.model, PERSONS),
        find(config.faces.detector, FACE_DETECTOR),
        find(config.faces.embedder, FACE_EMBEDDER),
        find(config.keypoints.model, KEYPOINTS),
    )
    assert all(model.licence.permissive for model in models)


def test_config_prints_a_preset_and_single_settings_over_it():
    result = CliRunner().invoke(
        app, ["config", "--preset", "permissive", "--set", "faces.min_size=20"]
    )
    assert result.exit_code == 0
    printed = BuildConfig.model_validate(yaml.safe_load(result.output))
    assert printed.faces.detector == "yunet-2023mar" and printed.faces.min_size == 20


def test_another_name_is_told_with_the_known_ones():
    with pytest.raises(WebbodyError, match="permissive, webbody4m"):
        read_preset("build", "webbody5m")
