"""A whole build and an import whose samples have foregrounds."""

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from made_segmentation import segmentation
from PIL import Image
from reid_trees import market_tree

from pipelines.build import build
from pipelines.verify.run import verify
from tests import command_line


def foregrounds(folder: Path) -> dict[str, np.ndarray]:
    """Of every sample of a folder of shards, by key; each has one."""
    found, keys = {}, set()
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                keys.add(key)
                if ending == "foreground.png":
                    found[key] = np.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())))
    assert set(found) == keys
    return found


def tars(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "pack").glob("*.tar")}


def test_an_import_has_foregrounds_too(tmp_path):
    market_tree(tmp_path / "Market-1501-v15.09.15")
    model, out = segmentation(tmp_path / "model", 3), tmp_path / "out"

    def run(*more):
        return command_line.run(
            "import", "reid", f"market-1501={tmp_path}", "-o", out, "--demo", *more
        )

    assert run()[0] == 0
    plain = tars(out / "market1501")
    assert run("--set", f"pack.foreground={model}")[0] == 0
    masks = foregrounds(out / "market1501/pack")
    assert masks and all(mask.any() and not mask.all() for mask in masks.values())
    shutil.copyfile(model, tmp_path / "moved.safetensors")
    with_masks = tars(out / "market1501")
    code, *_ = run("--set", f"pack.foreground={tmp_path / 'moved.safetensors'}")
    assert code == 0 and tars(out / "market1501") == with_masks != plain
    assert run()[0] == 0 and tars(out / "market1501") == plain


@pytest.mark.slow
def test_a_build_gets_foregrounds_and_loses_them(demo, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    model = segmentation(tmp_path / "model", 3)
    plain = tars(out)
    assert build(demo.settings(out, f"pack.foreground={model}")).complete
    masks = foregrounds(out / "pack")
    assert all(mask.any() for mask in masks.values())
    assert verify(str(out)).clean
    assert build(demo.settings(out)).complete and tars(out) == plain
