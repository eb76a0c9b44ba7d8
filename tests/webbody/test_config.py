import pytest
import yaml

from webbody.cli.build import describe
from webbody.config import BuildConfig, load
from webbody.errors import WebbodyError
from webbody.model_table import PERSONS, find


def test_defaults_are_the_papers():
    config = BuildConfig()
    # Thresholds of detections belong to the detector's family; the paper's person detector has 0.7.
    assert config.persons.confidence is None and config.faces.min_score is None
    assert find(config.persons.model, PERSONS).contract.threshold == 0.7
    assert config.persons.padding == 0.05
    assert config.persons.max_persons == 6
    assert config.clusters.eps == 0.7
    assert (config.identities.similar, config.identities.ambiguous) == (0.7, 0.6)
    assert config.identities.duplicate == 0.9
    assert config.download.opt_out, "opt-outs are honoured by default"
    assert config.download.allow_private == ()


def test_file_then_overrides(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("persons:\n  confidence: 0.5\n  padding: 0.1\n")
    config = load(path, ["persons.confidence=0.6", "download.opt_out=[]", "manifest=m.csv"])
    assert config.persons.confidence == 0.6
    assert config.persons.padding == 0.1
    assert config.download.opt_out == ()
    assert config.manifest == "m.csv"


def test_what_config_prints_can_be_read_back(tmp_path):
    config = load(None, ["persons.confidence=0.61", "split.test_images=[3, 9]"])
    text = describe(config)
    assert BuildConfig.model_validate(yaml.safe_load(text)) == config
    for section in ("persons", "faces", "resources"):
        assert f"{section}:" in text


def test_every_setting_is_documented():
    def undocumented(model, path=""):
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            if hasattr(value, "model_fields"):
                yield from undocumented(value, f"{path}{name}.")
            elif not field.description:
                yield path + name

    assert list(undocumented(BuildConfig())) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("persons.confidnce=0.5", "persons.confidnce: there is no such setting"),
        ("resources.let_go=true", "resources.let_go: is now called resources.evict;"),
        ("persons.confidence=high", "persons.confidence"),
        ("persons.confidence=1.5", "persons.confidence"),
        ("nonsense", "section.key=value"),
        ("persons.model=[unclosed", "YAML"),
        ("persons=3", "--set: persons: must hold names with values"),
        ("filters=", "--set: filters: must be a list"),
        ("filters=[blur]", "--set: filters.0: must hold names with values"),
        ("filters=[{function: a:b, after: faces, folder: 3}]", "filters.0.folder"),
    ],
)
def test_a_wrong_setting_is_told_by_name(override, message):
    with pytest.raises(WebbodyError) as caught:
        load(None, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_is_told_of_where_it_stands(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("faces: {min_score: 2}")
    with pytest.raises(WebbodyError, match=r"^\S+c\.yaml: faces\.min_score"):
        load(path, ["persons.confidence=0.5"])
    with pytest.raises(WebbodyError, match=r"^--set: persons\.confidence"):
        load(path, ["faces.min_score=0.5", "persons.confidence=2"])


def test_a_filters_folder_is_seen_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    path = tmp_path / "conf" / "c.yaml"
    for given, folder in (("", "conf"), (", folder: mine", "conf/mine"), (", folder: ..", "")):
        path.write_text(f"filters: [{{function: a:b, after: faces{given}}}]")
        assert load(path).filters[0].folder == str(tmp_path / folder)
    assert load(None, ["filters=[{function: a:b, after: faces, folder: mine}]"]).filters[
        0
    ].folder == str(tmp_path / "mine")
    assert load(None, ["filters=[{function: a:b, after: faces}]"]).filters[0].folder == ""


@pytest.mark.parametrize("text", ["persons: [", "- a\n- b\n", "\x00"])
def test_a_file_that_is_no_configuration(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(WebbodyError, match=r"c\.yaml"):
        load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(WebbodyError, match="cannot be read"):
        load(tmp_path / "none.yaml")
