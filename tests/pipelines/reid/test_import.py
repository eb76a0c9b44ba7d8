"""`webbody import reid` as a user meets it: drawn people, the demo's keypoint model."""

import hashlib
import io
import json
import shutil
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from reid_trees import market_tree, person_picture, prcc_tree, put

from model.shard_list import list_shards
from model.training.data.table import read_table
from tests import command_line
from tests.command_line import one_sentence
from tests.model.training.small_shards import write_shards
from webbody.cli import INTERRUPTED
from webbody.errors import WebbodyError
from webbody.images import decode, letterbox

run = partial(command_line.run, "import", "reid")
SMALL = ("--demo", "--set", "split.samples_per_shard=5")


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    root = tmp_path_factory.mktemp("trees")
    market_tree(root / "Market-1501-v15.09.15")
    prcc_tree(root / "prcc")
    return root


@pytest.fixture(scope="module")
def imported(trees, tmp_path_factory):
    """Two data sets in one call; the folder, and what was printed."""
    out = tmp_path_factory.mktemp("out")
    code, text, error = run(f"market-1501={trees}", f"PRCC={trees}", "-o", out, *SMALL)
    assert code == 0, error
    return out, text


def samples(folder):
    """Picture, person and description of every sample, by key."""
    found = {}
    for tar in sorted((folder / "pack").glob("*.tar")):
        with tarfile.open(tar) as members:
            for member in members:
                key, _, ending = member.name.partition(".")
                found.setdefault(key, {})[ending] = members.extractfile(member).read()
    return found


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_training_picture_is_a_sample_and_no_other(imported, trees):
    out, text = imported
    found = samples(out / "market1501")
    pictures = sorted((trees / "Market-1501-v15.09.15/bounding_box_train").iterdir())
    known = {hashlib.blake2b(p.read_bytes(), digest_size=10).hexdigest(): p for p in pictures}
    assert found.keys() == known.keys() and len(known) == 12
    assert "market1501: 12 images of 4 people in 3 shards" in text
    assert "prcc: 6 images of 3 people in 2 shards" in text
    people = {}
    for key, sample in found.items():
        about = json.loads(sample["json"])
        assert list(about) == [
            "key", "person", "split", "source", "sha256", "box", "width", "height", "keypoints",
        ]  # fmt: skip
        data = known[key].read_bytes()
        photo = decode(data)
        assert about["sha256"] == hashlib.sha256(data).hexdigest()
        assert (about["source"], about["split"]) == ("market1501", "train")
        assert about["box"] == [0, 0, 1, 1]
        assert [about["height"], about["width"]] == list(photo.shape[:2])
        assert int(sample["cls"]) == about["person"] >= 0
        people.setdefault(about["person"], set()).add(known[key].name[:4])
        expected = letterbox(photo, 384)[0].astype(int)
        assert np.abs(decode(sample["jpg"]).astype(int) - expected).mean() < 3
    assert sorted(map(len, people.values())) == [1] * 4
    # Nothing tells where a picture came from.
    assert not any(b"_c1s1_" in part for sample in found.values() for part in sample.values())


def test_keypoints_lie_on_the_person(imported):
    out, _ = imported
    seen = 0
    for sample in samples(out / "prcc").values():
        points = np.array(json.loads(sample["json"])["keypoints"])
        image = decode(sample["jpg"])
        visible = points[points[:, 2] > 0]
        seen += len(visible)
        assert (visible[:, :2] >= 0).all() and (visible[:, :2] < 384).all()
        columns = np.flatnonzero((image < 240).any((0, 2)))
        assert (visible[:, 0] >= columns[0] - 1).all() and (visible[:, 0] <= columns[-1] + 1).all()
        assert not points[points[:, 2] == 0].any()
    assert seen > 6 * 8


def test_the_index_is_of_a_builds_form(imported):
    out, _ = imported
    index = json.loads((out / "market1501/pack/index.json").read_text())
    train = index["splits"]["train"]
    assert (train["samples"], train["people"]) == (12, 4)
    assert train["bytes"] == sum(shard["bytes"] for shard in train["shards"])
    for shard in train["shards"]:
        data = (out / "market1501/pack" / shard["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])


def test_the_trainer_reads_it_beside_a_build(demo, imported):
    out, _ = imported
    table = read_table([str(demo.out), str(out / "market1501"), str(out / "prcc")])
    build = read_table([str(demo.out)])
    counts = np.bincount(table.dataset)
    assert counts.tolist() == [len(build), 12, 6]
    assert table.classes == build.classes + 4 + 3
    assert (table.width[table.dataset > 0] == 384).all() and table.plain[table.dataset > 0].all()
    assert table.visible[table.dataset > 0].mean() > 5
    # Ids need no offsets: they are nobody's elsewhere.
    of = [set(table.person[table.dataset == number].tolist()) for number in range(3)]
    assert not of[0] & of[1] and not of[1] & of[2]


def test_the_same_again_does_nothing_and_elsewhere_gives_the_same_bytes(imported, trees, tmp_path):
    out, _ = imported
    before = files(out)
    code, text, _ = run(f"market1501={trees}", f"prcc={trees}", "-o", out, *SMALL)
    assert code == 0 and "3 of the shards were there already" in text
    assert files(out) == before
    assert run(f"prcc={trees}", "-o", tmp_path, *SMALL)[0] == 0
    packed = {name: data for name, data in files(tmp_path).items() if not name.endswith(".json")}
    assert packed and all(before[name] == data for name, data in packed.items())
    index = "prcc/pack/index.json"
    assert files(tmp_path)[index] == before[index]


def test_one_that_stopped_half_way_is_refused_and_goes_on(trees, tmp_path, monkeypatch):
    from pipelines.reid import import_job

    real, packed = import_job.run_shard, []

    def killed(stage, *arguments, **options):
        if stage.name == "pack":
            if packed:
                raise KeyboardInterrupt
            packed.append(stage)
        return real(stage, *arguments, **options)

    monkeypatch.setattr(import_job, "run_shard", killed)
    assert run(f"market1501={trees}", "-o", tmp_path, *SMALL)[0] == INTERRUPTED
    monkeypatch.undo()
    assert not (tmp_path / "market1501/pack/index.json").exists()
    told = f"webbody import reid market1501={trees} --out {tmp_path}"
    for source in ("market1501", "market1501/pack", "market1501/pack/*.tar"):
        with pytest.raises(WebbodyError, match=f"this import is not finished.*{told}"):
            list_shards([str(tmp_path / source)])
    code, text, _ = run(f"market1501={trees}", "-o", tmp_path, *SMALL)
    assert code == 0 and "1 of the shards were there already" in text
    assert len(list_shards([str(tmp_path / "market1501")])) == 3


def test_changed_pictures_and_settings_redo_what_they_touch(trees, tmp_path):
    root = tmp_path / "prcc"
    shutil.copytree(trees / "prcc", root)
    out = tmp_path / "out"
    assert run(f"prcc={root}", "-o", out, *SMALL)[0] == 0
    before = files(out)
    assert (
        "were there already"
        not in run(f"prcc={root}", "-o", out, *SMALL, "-s", "pack.quality=80")[1]
    )
    assert run(f"prcc={root}", "-o", out, *SMALL)[0] == 0
    after = files(out)
    assert all(before[name] == after[name] for name in before if not name.endswith(".json"))
    # Fewer pictures: the shard that is left over goes, and the index speaks of what is there.
    for picture in list(root.glob("rgb/train/00[12]/*.jpg")):
        picture.unlink()
    code, text, _ = run(f"prcc={root}", "-o", out, *SMALL)
    assert code == 0 and "prcc: 2 images of 1 people in 1 shards" in text
    assert len(samples(out / "prcc")) == 2
    assert len(list_shards([str(out / "prcc")])) == 1


def test_what_cannot_be_read_is_counted_and_told(tmp_path):
    root = market_tree(tmp_path / "market", people=2, images=2)
    train = root / "bounding_box_train"
    data = person_picture(2, 0)
    put(train / "0002_c4s1_000009_00.jpg", data)  # a copy
    put(train / "0003_c4s1_000009_00.jpg", person_picture(50, 0)[:-2000])  # cut off
    put(train / "0004_c1s1_000009_00.jpg", b"<html>")
    put(train / "0005_c1s1_000009_00.jpg", person_picture(51, 0))  # alone
    code, text, _ = run(f"market1501={root}", "-o", tmp_path / "out", *SMALL)
    assert code == 0
    assert "5 images of 3 people" in text and "1 of the people with one image" in text
    assert "3 images left out (image:" in text
    assert "image:duplicate 1" in text and "image:truncated 1" in text


def test_nothing_that_can_be_read(tmp_path):
    put(tmp_path / "bounding_box_train/0002_c1s1_000009_00.jpg", b"<html>")
    code, text, error = run(f"market1501={tmp_path}", "-o", tmp_path / "out", *SMALL)
    assert code == 3 and one_sentence(error)
    assert "image:not-an-image 1" in text
    assert not (tmp_path / "out/market1501/pack/index.json").exists()


def test_a_share_of_the_mix(trees, tmp_path):
    build = tmp_path / "build"
    write_shards(build, 36, 18)
    shards = [{"name": path.name} for path in sorted(build.glob("*.tar"))]
    (build / "index.json").write_text(
        json.dumps({"splits": {"train": {"samples": 36, "shards": shards}}})
    )
    out = tmp_path / "out"
    share = ("--share", 0.25, "--of", build)
    code, text, error = run(f"market1501={trees}", f"prcc={trees}", "-o", out, *SMALL, *share)
    assert code == 0, error
    made = [samples(out / name) for name in ("market1501", "prcc")]
    assert abs(sum(map(len, made)) - 12) <= 2
    assert "images of 4 people" in text or "images of 3 people" in text
    people = [json.loads(one["json"])["person"] for one in made[0].values()]
    assert all(people.count(person) == 3 for person in people)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("duke={trees}",), "duke: there is no such data set; there are ccda, "),
        (("market1501",), "market1501: give NAME=PATH"),
        (("market1501={trees}/none",), "market1501: .*none: there is no such folder"),
        (("ltcc={trees}",), "ltcc: .*: train should be here .or in LTCC_ReID below it."),
        (("prcc={trees}", "prcc={trees}"), "given twice"),
        (("prcc={trees}", "--share", "0.1"), "Give --share and --of together"),
        (("prcc={trees}", "--share", "1", "--of", "{trees}"), "--share 1.0: give a number between"),
        (("prcc={trees}", "--share", "0.1", "--of", "{trees}"), "holds no finished build"),
        ((), "Give data sets .NAME=PATH. and --out"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(trees, tmp_path, arguments, told):
    given = [argument.format(trees=trees) for argument in arguments]
    code, _, error = run(*given, "-o", tmp_path / "out", *SMALL)
    assert code == 2 and one_sentence(error)
    with io.StringIO(error) as text, pytest.raises(WebbodyError, match=told):
        raise WebbodyError(text.read())
    assert not (tmp_path / "out").exists()


def test_a_builds_folder_is_left_alone(trees, tmp_path):
    (tmp_path / "prcc").mkdir()
    Path(tmp_path / "prcc/build.json").write_text("{}")
    code, _, error = run(f"prcc={trees}", "-o", tmp_path, *SMALL)
    assert code == 2 and "holds a build: give another --out" in error


def test_the_list_tells_where_to_get_them_and_how_they_look():
    code, text, _ = run("--list")
    assert code == 0
    assert all(name in text for name in ("luperson_nl", "cuhk03", "bounding_box_train"))


def test_verify_knows_what_an_import_should_hold(imported, trees, tmp_path):
    folder = shutil.copytree(imported[0] / "market1501", tmp_path / "market1501")
    code, text, _ = command_line.run("verify", folder)
    assert code == 0 and "import, clean" in text
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert command_line.run("verify", folder)[0] == 1, path
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    before = files(folder)
    tar = next((folder / "pack").glob("*.tar"))
    content = bytearray(tar.read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(content)
    code, text, _ = command_line.run("verify", folder, "--repair")
    assert code == 1 and "webbody import reid market1501=" in text
    assert run(f"market1501={trees}", "-o", tmp_path, *SMALL)[0] == 0
    after = files(folder)
    assert {n: d for n, d in after.items() if not n.endswith("json")} == {
        n: d for n, d in before.items() if not n.endswith("json")
    }
    assert command_line.run("verify", folder)[0] == 0
