"""Part erasing against a head whose part tensor is overwritten with zeros."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.evaluation.studies.parts import PartErasing
from model.sapiensid.heads.encoded import Encoded
from tests.model.evaluation.studies.captured import people, small

# Written out, apart from the names they are made of in the module.
ROWS_OF = {
    "nose": [0], "eye": [1, 2], "mouth": [3, 4], "ear": [5, 6], "shoulder": [7, 8],
    "elbow": [9, 10], "wrist": [11, 12], "hip": [13, 14], "knee": [15, 16], "ankle": [17, 18],
}  # fmt: skip
TABLE = list(ROWS_OF)


def shown(variant: str) -> list[str]:
    """The body parts of a variant, by its name."""
    if variant == "all":
        return TABLE
    if variant == "none":
        return []
    first, *last = variant.split(" to ")
    low, high = sorted((TABLE.index(first), TABLE.index(last[0] if last else first)))
    return TABLE[low : high + 1]


def erased(parts: Callable[[Encoded], Tensor], names: list[str]) -> Callable[[Encoded], Tensor]:
    def with_zeros(encoded: Encoded) -> Tensor:
        given = parts(encoded)
        kept = torch.zeros_like(given)
        for name in names:
            for point in ROWS_OF[name]:
                for half in (0, given.shape[1] // 2):
                    rows = slice(half + 4 * point, half + 4 * point + 4)
                    kept[:, rows] = given[:, rows]
        return kept

    return with_zeros


def test_variants_are_the_tables_rows() -> None:
    variants = PartErasing(small()).variants
    assert len(variants) == 20
    assert [shown(name) for name in variants[:11]] == [TABLE[:n] for n in range(11)]
    assert [shown(name) for name in variants[11:]] == [TABLE[-n:] for n in range(1, 10)]
    assert variants[:2] == ("none", "nose") and variants[10:12] == ("all", "ankle")


@torch.inference_mode()
def test_features_are_those_of_a_head_with_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (images, keypoints) = small(), people(3)
    keypoints[0, :, 2] = 1
    study = PartErasing(model)
    found = study(images, keypoints).unflatten(1, (20, 16))
    parts = model.head.parts
    for variant, feature in zip(study.variants, found.unbind(1), strict=True):
        monkeypatch.setattr(model.head, "parts", erased(parts, shown(variant)))
        torch.testing.assert_close(feature, model(images, keypoints), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_rounding_of_bfloat16_is_no_greater_than_the_models() -> None:
    model, given = small(), people(8)
    study = PartErasing(model)
    place = study.variants.index("all")
    all_of_it = slice(place * 16, (place + 1) * 16)
    exact = model(*given)
    with torch.autocast("cpu", torch.bfloat16):
        found, plain = study(*given)[:, all_of_it].float(), model(*given).float()
    assert (found - exact).norm() < 1.5 * (plain - exact).norm()


def test_a_pooled_head_is_refused() -> None:
    with pytest.raises(ValueError, match="only from a semantic head"):
        PartErasing(small(head="pooled"))
