"""Rankings of a validation that are shown: whose they are, and that they are the model's."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model import SapiensID
from model.training.data.table import read_table
from model.training.monitoring import example_rankings as examples_module
from model.training.monitoring.example_rankings import ExampleRanking, example_rankings
from model.training.monitoring.metric_log import RANKINGS, MetricLogger
from model.training.monitoring.validation import HeldOut, rank_held_out, read_held_out
from tests.model.training.small_shards import write_shards


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    return read_held_out([write_shards(tmp_path_factory.mktemp("held"), 13, 5)], [], read_table)


def test_the_validation_gives_some_of_its_rankings(held_out: HeldOut) -> None:
    torch.manual_seed(0)
    model = SapiensID(1, 32, 2, 16, image_size=96, keypoint_bias=16)
    found: list[ExampleRanking] = []
    device = torch.device("cpu")
    with_examples = rank_held_out(model, held_out, batch=3, device=device, on_examples=found.extend)
    assert with_examples == rank_held_out(model, held_out, batch=3, device=device)
    assert 0 < len(found) <= with_examples.queries
    right = sum(one.first_match == 1 for one in found) / len(found)
    if len(found) == with_examples.queries:
        assert right == pytest.approx(with_examples.rank1)
    for one in found:
        with open(one.query.shard, "rb") as file:
            file.seek(one.query.offset)
            data = file.read(one.query.length)
        assert Image.open(io.BytesIO(data)).width > 0 and one.query.name.count(".tar, byte ") == 1
        assert one.query not in [image.picture for image in one.found]
        hits = [place for place, image in enumerate(one.found, 1) if image.match]
        assert one.first_match == hits[0] if hits else one.first_match > len(one.found)


def test_rankings_are_those_of_the_features(
    held_out: HeldOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples_module, "QUERIES", 5)
    table, person_N = held_out.table, held_out.person_N
    features_NF = torch.randn(len(table), 6, generator=torch.Generator().manual_seed(1))
    query_N = np.ones(len(table), bool)
    query_N[0] = False
    gallery_N = np.ones(len(table), bool)
    gallery_N[3] = False
    found = example_rankings(table, person_N, query_N, gallery_N, features_NF)
    assert len(found) == 5
    unit = torch.nn.functional.normalize(features_NF).numpy()
    shards = [table.shards[shard] for shard in table.shard]
    place = {
        (shard, int(offset)): row
        for row, (shard, offset) in enumerate(zip(shards, table.offset, strict=True))
    }
    for one in found:
        query = place[one.query.shard, one.query.offset]
        order = [
            row for row in np.argsort(-(unit @ unit[query])) if row != query and gallery_N[row]
        ]
        shown = [image.picture for image in one.found]
        assert [place[one.shard, one.offset] for one in shown] == order[:8]
        assert [image.match for image in one.found] == [
            person_N[row] == person_N[query] for row in order[:8]
        ]
    nobody = example_rankings(table, np.arange(len(table)), query_N, gallery_N, features_NF)
    assert nobody == []


def test_the_newest_stand_in_the_runs_folder(held_out: HeldOut, tmp_path: Path) -> None:
    features_NF = torch.randn(len(held_out.table), 6)
    everybody = np.ones(len(held_out.table), bool)
    found = example_rankings(held_out.table, held_out.person_N, everybody, everybody, features_NF)
    metrics = MetricLogger(tmp_path / "run", 0, list)
    for done in (0, 20):
        metrics.examples(done, found)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [RANKINGS]
    assert '"done": 20' in (tmp_path / "run" / RANKINGS).read_text()
