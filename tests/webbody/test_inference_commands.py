"""`webbody embed` and `webbody compare` as a user meets them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.command_line import one_sentence, run
from webbody import __version__
from webbody.storage import Folder

pytestmark = pytest.mark.usefixtures("demo")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save(tmp_path_factory.mktemp("tiny"), 0)


def save(folder, seed):
    from model import SapiensID
    from model.sapiensid.sapiensid import PRESETS

    torch.manual_seed(seed)
    SapiensID(**PRESETS["tiny"]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def photos(demo, tmp_path_factory):
    """Six photos that a build used, two broken files and something that is no picture."""
    from pipelines.base.stage import Inputs

    folder = tmp_path_factory.mktemp("photos")
    tar = next((demo.out / "download").glob("*.tar"))
    inputs = Inputs(Folder(demo.out), tar.stem)
    rows = inputs.table("persons").to_pylist()
    kept = {row["key"] for row in rows if row["outcome"] is None}
    downloads = [row for row in inputs.table("download").to_pylist() if row["key"] in kept]
    different = {row["sha256"]: row for row in downloads}  # the web holds copies
    with inputs.random_access("download") as reader:
        for number, row in enumerate(list(different.values())[:6]):
            place = folder / ("deep/er" if number % 2 else ".") / f"{number}.{row['format']}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(reader.read(row["offset"], row["length"]))
    whole = next(path for path in sorted(folder.rglob("*")) if path.suffix == ".jpg")
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[:3000])
    (folder / "page.png").write_bytes(b"<html></html>")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.jpg").write_bytes(b"")
    return folder


def test_a_build_gives_a_row_for_each_sample(demo, checkpoint, tmp_path):
    out = tmp_path / "f.parquet"
    code, text, _ = run("embed", demo.out, "-k", checkpoint, "-o", out, "--batch", 7)
    assert code == 0
    table = pq.read_table(out)
    index = json.loads((demo.out / "pack/index.json").read_text())["splits"]
    assert len(table) == sum(split["samples"] for split in index.values())
    assert f"{len(table):,} features of 256 values" in text
    assert table["outcome"].null_count == len(table)
    packed = [pq.read_table(path) for path in sorted((demo.out / "pack").glob("*.parquet"))]
    built = {row["key"]: row for part in packed for row in part.to_pylist()}
    for row in table.to_pylist():
        sample = built[row["key"]]
        assert (row["person"], row["split"]) == (sample["person"], sample["split"])
        assert row["source"].startswith(f"{demo.out}/pack/")
    info = json.loads(table.schema.metadata[b"webbody.features"])
    assert info["checkpoint"] == str(checkpoint) and len(info["sha256"]) == 64
    assert info["arguments"]["depth"] == 4 and info["version"] == __version__
    assert not info["flip"] and info["finder"] is None


def test_shards_need_no_build_library(demo, checkpoint, photos, tmp_path):
    libraries = ("ray", "ultralytics", "insightface", "rtmlib", "onnxruntime", "cv2", "duckdb")
    code = (
        f"import sys\nfor name in {libraries!r}: sys.modules[name] = None\n"
        "from webbody.cli import main\nmain()"
    )

    def bare(*args):
        command = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True)

    options = ("-k", checkpoint, "-o", tmp_path / "f.parquet")
    done = bare("embed", *sorted((demo.out / "pack").glob("*.tar"))[:1], *options)
    assert done.returncode == 0, done.stderr
    done = bare("embed", photos, *options, "--demo", "--replace")
    assert done.returncode == 2 and one_sentence(done.stderr)
    assert "webbody[build]" in done.stderr


def test_features_of_shards_are_those_of_direct_calls(demo, checkpoint, tmp_path):
    import webdataset as wds

    from model import SapiensID

    shard = sorted((demo.out / "pack").glob("*.tar"))[0]
    out = tmp_path / "f.parquet"
    assert run("embed", shard, "-k", checkpoint, "-o", out)[0] == 0
    rows = pq.read_table(out).to_pylist()
    model = SapiensID.from_pretrained(checkpoint)
    samples = list(wds.WebDataset(str(shard), shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [row["key"] for row in rows]
    for sample, row in zip(samples[:4], rows, strict=False):
        image = torch.tensor(sample["jpg"]).permute(2, 0, 1)[None] / 127.5 - 1
        keypoints = torch.tensor(sample["json"]["keypoints"])[None]
        keypoints[..., :2] /= 384
        with torch.inference_mode():
            feature = model(image, keypoints)[0].numpy()
        np.testing.assert_allclose(row["feature"], feature, atol=1e-4)


def test_every_way_to_name_shards_gives_the_same_features(demo, checkpoint, tmp_path):
    tables = []
    loose = tmp_path / "loose"
    loose.mkdir()
    for path in (demo.out / "pack").glob("*.tar"):
        shutil.copy(path, loose)
    tars = sorted(loose.glob("*.tar"))
    for number, sources in enumerate(([demo.out], [demo.out / "pack"], [loose], [*tars, tars[0]])):
        out = tmp_path / f"{number}.parquet"
        assert run("embed", *sources, "-k", checkpoint, "-o", out)[0] == 0
        tables.append(pq.read_table(out, columns=["key", "feature"]).sort_by("key"))
    assert all(table.equals(tables[0]) for table in tables)


def test_a_stopped_run_goes_on(demo, checkpoint, tmp_path, monkeypatch):
    """Ctrl-C in the third shard; then the same command."""
    from model.features import samples

    read, real = [], samples.read_shard

    def counting(file, source, size):
        read.append(source)
        if len(read) == 3:
            raise KeyboardInterrupt
        return real(file, source, size)

    monkeypatch.setattr("pipelines.inference.embed.read_shard", counting)
    out, whole = tmp_path / "f.parquet", tmp_path / "whole.parquet"
    command = ("embed", demo.out, "-k", checkpoint, "-o")
    assert run(*command, out)[0] == 130
    assert not out.exists() and len(list(tmp_path.glob("f.parquet.parts/*.parquet"))) == 2
    code, text, _ = run(*command, out)
    shards = len(list(Path(demo.out).glob("pack/*.tar")))
    assert code == 0 and f"2 of {shards} parts were there already" in text
    assert sorted(read[3:]) == sorted(set(read[2:]))
    assert run(*command, whole)[0] == 0
    assert pq.read_table(out).equals(pq.read_table(whole))
    assert [path.name for path in tmp_path.glob("f.parquet*")] == ["f.parquet"]
    count = len(read)
    assert run(*command, out)[0] == 0 and len(read) == count


def test_pictures_are_found_in_folders_and_broken_ones_are_rows(checkpoint, photos, tmp_path):
    out = tmp_path / "f.parquet"
    code, text, _ = run("embed", photos, "-k", checkpoint, "-o", out, "--demo", "--flip")
    assert code == 0
    assert "6 features of 256 values" in text
    assert "2 pictures without one (image:truncated 1, image:not-an-image 1)" in text
    rows = {row["key"]: row for row in pq.read_table(out).to_pylist()}
    assert len(rows) == 8 and {"cut.jpg", "page.png"} < set(rows)
    assert any(key.startswith("deep/er/") for key in rows)
    assert rows["page.png"]["outcome"] == "image:not-an-image" and not rows["page.png"]["feature"]
    good = [row for row in rows.values() if row["outcome"] is None]
    assert all(row["source"] == str(photos) and row["person"] is None for row in good)
    assert np.mean([row["visible"] for row in good]) > 5
    info = json.loads(pq.read_schema(out).metadata[b"webbody.features"])
    assert info["flip"] and len(info["finder"]["persons"]["model"]) == 64


def test_other_settings_are_refused_until_they_may_replace(checkpoint, photos, tmp_path):
    picture = next(iter(photos.glob("0.*")))
    out = tmp_path / "f.parquet"
    command = ("embed", picture, "-o", out, "--demo", "-k")
    assert run(*command, checkpoint)[0] == 0
    other = save(tmp_path / "other", 1)
    cases = [
        ((*command, other), "another checkpoint"),
        ((*command, checkpoint, "--whole"), "another --whole and other settings"),
        ((*command, checkpoint, "--set", "keypoints.min_score=0.5"), "other settings"),
        ((*command, checkpoint, "--dtype", "float16"), "another --dtype"),
        ((*command, checkpoint, photos / "cut.jpg"), "other sources"),
    ]
    for arguments, told in cases:
        code, _, error = run(*arguments)
        assert code == 2 and one_sentence(error), error
        assert told in error and "--replace" in error
    assert run(*command, other, "--replace")[0] == 0


def test_nothing_embedded_is_exit_code_3(checkpoint, photos, tmp_path):
    out = tmp_path / "f.parquet"
    code, _, error = run("embed", photos / "cut.jpg", "-k", checkpoint, "-o", out, "--demo")
    assert code == 3 and one_sentence(error) and "image:truncated 1" in error
    assert pq.read_table(out)["key"].to_pylist() == ["cut.jpg"]


def test_compare_pictures_and_rows(checkpoint, photos, tmp_path):
    a, b = (next(photos.rglob(f"{number}.*")) for number in (0, 1))
    options = ("-k", checkpoint, "--demo", "--json")
    code, text, _ = run("compare", a, b, *options)
    assert code == 0
    there = json.loads(text)
    back = json.loads(run("compare", b, a, *options)[1])
    assert there["cosine"] == pytest.approx(back["cosine"], abs=1e-5)
    assert there["a"] == back["b"] and -1 <= there["cosine"] < 0.9999
    assert json.loads(run("compare", a, a, *options)[1])["cosine"] == pytest.approx(1)
    line = run("compare", a, b, "-k", checkpoint, "--demo")[1].strip()
    assert line.startswith(f"cosine {there['cosine']:.4f}  (norms ") and "\n" not in line

    out = tmp_path / "f.parquet"
    assert run("embed", photos, "-k", checkpoint, "-o", out, "--demo")[0] == 0
    row = f"{out}:{a.relative_to(photos)}"
    assert json.loads(run("compare", row, a, *options)[1])["cosine"] == pytest.approx(1, abs=1e-4)
    stored = json.loads(run("compare", row, f"{out}:{b.relative_to(photos)}", "--json")[1])
    assert stored["cosine"] == pytest.approx(there["cosine"], abs=1e-4)
    other = save(tmp_path / "other", 1)
    code, _, error = run("compare", row, a, "-k", other, "--demo")
    assert code == 2 and one_sentence(error) and "different checkpoints" in error
    code, _, error = run("compare", row, a, "-k", checkpoint, "--demo", "--flip")
    assert code == 2 and one_sentence(error) and "without --flip" in error


def test_errors_are_one_sentence_and_exit_code_2(demo, checkpoint, photos, tmp_path):
    tar = tmp_path / "empty.tar"
    tar.write_bytes(bytes(10240))
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    config = tmp_path / "bad/model.json"
    shutil.copytree(checkpoint, config.parent)
    config.write_text(config.read_text().replace('"width": 128', '"width": 64'))
    lost = tmp_path / "lost"
    shutil.copytree(demo.out, lost)
    next((lost / "pack").glob("*.tar")).unlink()
    picture = next(iter(photos.glob("0.*")))
    out = ("-o", tmp_path / "f.parquet", "--demo")
    tiny = ("-k", checkpoint)
    cases = [
        (("embed", photos, *out), "--checkpoint"),
        (("embed", photos, *out, "-k", tmp_path / "none"), "no such checkpoint"),
        (("embed", photos, *out, "-k", nothing), "no checkpoint of SapiensID"),
        (("embed", photos, *out, "-k", picture), "no checkpoint of SapiensID"),
        (("embed", photos, *out, "-k", config.parent), "no checkpoint of SapiensID"),
        (("embed", nothing, *out, *tiny), "holds no build, no .tar shards and no pictures"),
        (("embed", tmp_path / "none.jpg", *out, *tiny), "no such file"),
        (("embed", photos / "notes.txt", *out, *tiny), "neither a picture"),
        (("embed", tar, *out, *tiny), "holds no samples"),
        (("embed", lost, *out, *tiny), "missing or has changed"),
        (("embed", photos, *out, *tiny, "--dtype", "int8"), "float16"),
        (("embed", photos, *out, *tiny, "--device", "tpu"), "resources.device"),
        (("embed", photos, *out, *tiny, "--set", "x.y=1"), "no such setting"),
        (("embed", photos, "-o", tmp_path, *tiny), "file to write"),
        (("compare", picture, picture, "--demo"), "--checkpoint"),
        (("compare", picture, tmp_path / "none.jpg", "--demo", *tiny), "no such picture"),
        (("compare", picture, photos / "cut.jpg", "--demo", *tiny), "image:truncated"),
        (("compare", "none.parquet:a", picture, "--demo", *tiny), "no such feature file"),
    ]
    for arguments, expected in cases:
        code, _, error = run(*arguments)
        assert code == 2, (arguments, error)
        assert one_sentence(error), (arguments, error)
        assert expected in error, (arguments, error)
    assert not (tmp_path / "f.parquet").exists()


def test_help_names_every_option():
    text = run("embed", "--help")[1]
    for option in (
        "--checkpoint", "--out", "--whole", "--flip", "--batch", "--dtype", "--device", "--demo",
        "--replace", "--config", "--set",
    ):  # fmt: skip
        assert option in text
    assert "run the same command again" in " ".join(text.split())
    assert "--json" in run("compare", "--help")[1]
