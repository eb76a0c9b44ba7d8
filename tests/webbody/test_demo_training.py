"""The training that `webbody demo` goes on to."""

from pathlib import Path

from rich.console import Console

from model import SapiensID
from webbody.cli import demo_training


def test_the_build_is_trained_on_and_strangers_are_ranked_before_and_after(
    demo, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(demo_training, "HELD_OUT", range(4))
    trained = []
    for epochs in (2, 2, 3):  # anew; nothing left to do; another run
        monkeypatch.setattr(demo_training, "EPOCHS", epochs)
        console = Console(record=True, width=200)
        demo_training.train_on_build(demo.out, tmp_path, console)
        said = console.export_text()
        assert "Rank-1 before training" in said and "most similar of 23 pictures" in said
        trained.append("loss" in said)
    assert trained == [True, False, True]
    assert SapiensID.from_pretrained(tmp_path / "training" / "model").image_size == 192
    assert (tmp_path / "training" / "curves.png").stat().st_size > 0
    # The model of the last run alone, on 8 full bodies and 8 close-ups.
    kept = tmp_path / "evaluation" / "features"
    assert len(list(kept.glob("*.parquet"))) == 2
    assert "8 queries" in (tmp_path / "evaluation" / "evaluation.html").read_text()
