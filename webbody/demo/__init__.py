"""The synthetic web: drawn people with exact ground truth, and the server that publishes them."""

from pathlib import Path

#: The tiny models of the synthetic web, and the build settings that suit them.
MODELS = Path(__file__).parent / "models"
PRESET = Path(__file__).parent / "preset.yaml"
