from pathlib import Path

import pytest
import torch

from model.sapiensid.export import export
from tests.model.sapiensid.people import images, standing, tiny


def test_the_exported_program_gives_the_models_features(tmp_path: Path) -> None:
    model = tiny(depth=2)
    export(model, tmp_path / "model.pt2", batch=3)
    program = torch.export.load(tmp_path / "model.pt2").module()
    for seed in (0, 1):
        pictures, points = images(3, seed), standing(3, seed)
        points[0] = 0
        with torch.inference_mode():
            expected = model(pictures, points)
        torch.testing.assert_close(program(pictures, points), expected, atol=1e-4, rtol=0)


def test_what_cannot_be_exported_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        export(tiny().train(), tmp_path / "model.pt2", batch=1)
    with pytest.raises(ValueError, match="batch size"):
        export(tiny(), tmp_path / "model.pt2", batch=0)
