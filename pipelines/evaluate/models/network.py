"""A network of another library and its expected input."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from webbody.errors import WebbodyError

Triple = tuple[float, float, float]
HALF: Triple = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Network:
    """A module from normalised images (B, 3, H, W) to features (B, F).

    sha256: of its weights. about: what else decides on its features. size: H and W. mean, std,
    interpolation: what it expects where a user says nothing else; the defaults are the habit of
    recognition models, (x - 127.5) / 127.5.
    """

    module: nn.Module
    sha256: str
    about: dict[str, Any]
    size: tuple[int, int]
    mean: Triple = HALF
    std: Triple = HALF
    interpolation: str = "bilinear"


@torch.inference_mode()
def feature_dim(network: Network, called: str) -> int:
    """F, determined by a forward of two images; WebbodyError for other outputs."""
    height, width = network.size
    advice = "give the size that it takes, or another model"
    with user_errors(f"{called}: it takes no images of {height} x {width}", advice):
        features = network.module.eval()(torch.zeros(2, 3, height, width))
    is_tensor = isinstance(features, Tensor)
    if not is_tensor or features.ndim != 2 or len(features) != 2:
        found = list(features.shape) if is_tensor else type(features).__name__
        raise WebbodyError(
            f"{called}: of two images it makes {found}, and not a feature of each (2, F); give a "
            "model that ends with a feature."
        )
    return int(features.shape[1])


@contextmanager
def user_errors(what: str, advice: str) -> Iterator[None]:
    """Turn a library's exceptions in the block into a WebbodyError of one sentence."""
    try:
        yield
    except (WebbodyError, MemoryError):
        raise
    except Exception as error:
        # The second line of a state-dict error has the reason.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = " ".join(lines[:2])[:240].rstrip(".") or type(error).__name__
        raise WebbodyError(f"{what} ({reason}); {advice}.") from error
