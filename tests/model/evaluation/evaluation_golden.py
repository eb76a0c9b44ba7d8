"""The golden cases: synthetic inputs, and what the official metric code makes of them.

Copied from the project's reference outputs, seed 0, without distance matrices and other
intermediate results. `data/*.npz` are read without pickles.
"""

from pathlib import Path

import numpy as np
import torch

from model.evaluation.ranking import Images, evaluate

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-5
#: The official names of the rules.
RULES = {
    "overall": "general",
    "same_clothes": "same_clothes",
    "diff_clothes": "cloth_changing",
}


def fuse(features, mirrored):
    """Features (N, D) of images and of the mirrored ones as the official code fuses them.

    The raw features are added and then normalised; float32.
    """
    features_ND = torch.as_tensor(features).float() + torch.as_tensor(mirrored).float()
    return torch.nn.functional.normalize(features_ND)


def golden(name):
    with np.load(DATA / name) as arrays:
        return dict(arrays)


def side(case, prefix="", rows=slice(None), tensors=False):
    """Images of a case; with `tensors`, torch's instead of numpy's."""

    def column(name):
        values = case[prefix + name][rows]
        return torch.from_numpy(values) if tensors else values

    features = fuse(column("feat"), column("feat_flip"))
    labels = [column(name) for name in ("pid", "cam", "clothes")]
    return Images(features if tensors else features.numpy(), *labels)


def assert_official(case, name, query, gallery, rule):
    """The figures of a rule are the official ones called `name`."""
    ranking = evaluate(query, gallery, rule)
    cmc = case[f"out_{name}_cmc"]
    np.testing.assert_allclose(ranking.cmc[: len(cmc)], cmc, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(ranking.mAP, case[f"out_{name}_mAP"], atol=TOLERANCE, rtol=0)
    for k in (1, 5, 10, 20):
        np.testing.assert_allclose(
            100 * ranking.rank(k), case[f"res_{name}_top{k}"], atol=100 * TOLERANCE, rtol=0
        )
