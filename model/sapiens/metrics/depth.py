"""Errors of depth maps inside a person's mask.

Shape suffixes: H, W the size of a picture, P pixels that count.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError

_LEAST = 1e-6  # of predictions, in logarithms and ratios


@dataclass(frozen=True)
class DepthFigures:
    """Of one picture, or means over pictures. delta1, 2, 3: fractions of the pixels.

    rmse: root of the mean squared error. abs_rel, sq_rel: mean of the error and its square, by the
    true depth. rmse_log: rmse of natural logarithms; log10: mean error of decimal ones. silog:
    sqrt(mean Δ² - ½ mean² Δ) of natural logarithms. delta1: the share of pixels whose depth and
    true depth differ by a factor below 1.25; delta2, delta3: below its square, its cube.
    """

    rmse: float
    abs_rel: float
    sq_rel: float
    rmse_log: float
    log10: float
    silog: float
    delta1: float
    delta2: float
    delta3: float


def depth_figures(
    predicted: NDArray[np.floating],
    target: NDArray[np.floating],
    mask: NDArray[np.bool_],
    fitted: bool = True,
) -> DepthFigures | None:
    """Errors of one picture; None where no pixel counts.

    Args:
        predicted: (H, W), of any scale where `fitted`.
        target: (H, W); pixels that are not above 0 do not count: relative errors have no meaning
            there, which leaves out the nearest pixel of depths in 0..1.
        mask: (H, W), the person.
        fitted: Scale and shift of the prediction are fitted to the target first.

    Raises:
        ValueError: Different shapes.
        WebbodyError: A prediction that is not finite where it counts.
    """
    true_P, depth_P = _counting(predicted, target, mask)
    if not len(true_P):
        return None
    if fitted:
        scale, shift = _fit(depth_P, true_P)
        depth_P = depth_P * scale + shift
    error_P = depth_P - true_P
    # A prediction of 0 or less is further off than any factor.
    above_P = np.maximum(depth_P, _LEAST)
    factor_P = np.maximum(above_P / true_P, true_P / above_P)
    logs_P = np.log(above_P) - np.log(true_P)
    return DepthFigures(
        rmse=float(np.sqrt((error_P**2).mean())),
        abs_rel=float((np.abs(error_P) / true_P).mean()),
        sq_rel=float((error_P**2 / true_P).mean()),
        rmse_log=float(np.sqrt((logs_P**2).mean())),
        log10=float(np.abs(logs_P).mean() / np.log(10)),
        silog=float(np.sqrt(max(0.0, (logs_P**2).mean() - logs_P.mean() ** 2 / 2))),
        delta1=float((factor_P < 1.25).mean()),
        delta2=float((factor_P < 1.25**2).mean()),
        delta3=float((factor_P < 1.25**3).mean()),
    )


def scale_and_shift(
    predicted: NDArray[np.floating], target: NDArray[np.floating], mask: NDArray[np.bool_]
) -> tuple[float, float]:
    """Scale and shift that bring the prediction closest to the target, by least squares.

    Over the pixels that count in `depth_figures`. A constant prediction has scale 0; without
    pixels they are 1 and 0.
    """
    true_P, depth_P = _counting(predicted, target, mask)
    return _fit(depth_P, true_P)


def mean_figures(pictures: Sequence[DepthFigures]) -> DepthFigures | None:
    """Means over pictures, each counting alike; None without any."""
    if not pictures:
        return None
    return DepthFigures(*np.mean([astuple(picture) for picture in pictures], axis=0).tolist())


def _fit(depth_P: NDArray[np.float64], true_P: NDArray[np.float64]) -> tuple[float, float]:
    if not len(depth_P):
        return 1.0, 0.0
    away_P = depth_P - depth_P.mean()
    spread = float((away_P**2).sum())
    scale = float((away_P * true_P).sum()) / spread if spread > 0 else 0.0
    return scale, float(true_P.mean() - scale * depth_P.mean())


def _counting(
    predicted: NDArray[np.floating], target: NDArray[np.floating], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True and predicted depth (P,) of the pixels that count."""
    if not predicted.shape == target.shape == mask.shape:
        raise ValueError(f"shapes {predicted.shape}, {target.shape} and {mask.shape} differ")
    counting = mask & (target > 0)
    depth_P = predicted[counting].astype(np.float64)
    if not np.isfinite(depth_P).all():
        raise WebbodyError(
            "The predicted depth is not finite everywhere: the model has diverged, or its numbers "
            "are too large for half precision."
        )
    return target[counting].astype(np.float64), depth_P
