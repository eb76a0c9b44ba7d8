"""The encoders' sizes (Table 2 of the paper), and small ones for tests and small budgets."""

from dataclasses import dataclass

from webbody.errors import WebbodyError

#: Side of a patch in pixels; a hidden layer of an MLP is so many widths.
PATCH, MLP_RATIO = 16, 4


@dataclass(frozen=True)
class EncoderSize:
    """Width of a token, transformer layers, attention heads of each."""

    width: int
    depth: int
    heads: int


SIZES = {
    "0.3b": EncoderSize(1024, 24, 16),
    "0.6b": EncoderSize(1280, 32, 16),
    "1b": EncoderSize(1536, 40, 24),
    "2b": EncoderSize(1920, 48, 32),
    "small": EncoderSize(384, 12, 6),
    "tiny": EncoderSize(192, 6, 6),
    "mini": EncoderSize(96, 4, 4),
}


def encoder_size(name: str) -> EncoderSize:
    """The size of a name; WebbodyError where there is none."""
    if name not in SIZES:
        raise WebbodyError(f"there is no Sapiens encoder {name!r}, only {', '.join(SIZES)}")
    return SIZES[name]
