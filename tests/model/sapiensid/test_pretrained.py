import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model import SapiensID
from model.sapiensid.authors import POSITIONS, to_authors
from model.sapiensid.regions import PAPER_REGIONS
from tests.model.golden_weights import rule_weights
from tests.model.sapiensid.people import images, standing, tiny

KEYS = Path(__file__).parents[1] / "data" / "keys_sapiensid_base.tsv"


def authors_state(model: SapiensID) -> dict[str, torch.Tensor]:
    return to_authors(model.state_dict(), model.positions.table_SSD)


def features(model: SapiensID) -> torch.Tensor:
    with torch.inference_mode():
        return model(images(2), standing(2))


def test_base_has_exactly_the_published_entries() -> None:
    with open(KEYS, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    published = {row["name"]: (row["shape"], row["dtype"]) for row in rows}
    with torch.device("meta"):
        state = authors_state(SapiensID())
    own = {key: (str(list(value.shape)), str(value.dtype)[6:]) for key, value in state.items()}
    assert own == published and len(own) == 299


@pytest.mark.parametrize(
    "arguments",
    [{}, {"regions": PAPER_REGIONS, "peak": "softmax"}, {"head": "pooled", "regions": ()}],
    ids=["default", "paper", "vit"],
)
def test_own_folders_round_trip(arguments: dict, tmp_path: Path) -> None:
    model = tiny(**arguments)
    model.save_pretrained(tmp_path / "model")
    loaded = SapiensID.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    assert not loaded.training
    assert torch.equal(features(loaded), features(model))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_authors_files_round_trip(suffix: str, tmp_path: Path) -> None:
    arguments = {"offsets": 2, "datasets": 3, "level_embedding": True, "keypoint_bias": 96}
    model = tiny(**arguments)
    rule = rule_weights(authors_state(model), seed=3)
    path = tmp_path / f"model{suffix}"
    state = {key: value.contiguous() for key, value in rule.items()}
    state[POSITIONS] = authors_state(model)[POSITIONS]
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    loaded = SapiensID.from_pretrained(path)
    assert {key: loaded.config[key] for key in arguments} == arguments
    again = authors_state(loaded)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], state[key]) for key in state)


def test_authors_eyes_and_mouth_corners_change_places(tmp_path: Path) -> None:
    model = tiny()
    state = authors_state(model)
    per_point = state["net.head.query_pos_emb"].view(19, 4, -1)
    own = model.head.offsets_PD.view(19, 4, -1)
    for theirs, ours in enumerate((0, 2, 1, 4, 3, *range(5, 19))):
        assert torch.equal(per_point[theirs], own[ours])


def test_every_wrong_key_is_reported(tmp_path: Path) -> None:
    state = authors_state(tiny())
    del state["net.head.attn.q_proj.weight"], state["net.mask_token"]
    state["net.backbone.norm.bias"] = torch.zeros(7)
    state["net.head.surplus"] = torch.zeros(1)
    path = tmp_path / "model.pt"
    torch.save(state, path)
    with pytest.raises(ValueError, match="does not fit the model") as error:
        SapiensID.from_pretrained(path)
    for told in (
        "missing net.head.attn.q_proj.weight",
        "missing net.mask_token",
        "unexpected net.head.surplus",
        "net.backbone.norm.bias is (7,), expected (128,)",
    ):
        assert told in str(error.value)


def test_files_that_are_no_model_are_told(tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(2, 2)}, other)
    with pytest.raises(ValueError, match=r"other.pt: no SapiensID of the authors: missing"):
        SapiensID.from_pretrained(other)
    state = authors_state(tiny())
    state[POSITIONS] = torch.rand_like(state[POSITIONS])
    torch.save(state, other)
    with pytest.raises(ValueError, match="is not the sine-cosine table"):
        SapiensID.from_pretrained(other)
    with pytest.raises(FileNotFoundError, match="no weights at"):
        SapiensID.from_pretrained(tmp_path / "absent.pt")
    with pytest.raises(FileNotFoundError, match=r"it holds no model.json"):
        SapiensID.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-9],
        lambda text: "[]",
        lambda text: json.dumps({**json.loads(text), "width": "wide"}),
        lambda text: json.dumps({**json.loads(text), "wings": 2}),
        lambda text: json.dumps({**json.loads(text), "regions": [{"points": [1]}]}),
    ],
    ids=["cut", "list", "type", "unknown", "region"],
)
def test_broken_descriptions_are_told(change, tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path)
    config = tmp_path / "model.json"
    config.write_text(change(config.read_text()))
    with pytest.raises(ValueError, match=r"model.json describes no model"):
        SapiensID.from_pretrained(tmp_path)


def test_weights_of_another_size_are_told(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path)
    config = tmp_path / "model.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "depth": 5}))
    with pytest.raises(ValueError, match=r"missing blocks\.4\.norm1\.weight"):
        SapiensID.from_pretrained(tmp_path)
