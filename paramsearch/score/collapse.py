"""How closely the curves of one rule coincide across scales; all of shape (seeds,), 0 is best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paramsearch.probes.quantities import WORST_SLOPE
from paramsearch.score.measured import Measured

Array = NDArray[np.float64]

WORST_LOG_LOSS = 3.0
"""Log loss ratio at which losses are cut off; a diverged run counts more, the sooner the more."""

CURVE_DEPTH = 1.0
"""Height in log loss above its minimum at which a learning-rate curve is cut off."""

WORST_OCTAVES = 4.0
"""Octaves at which differences of sharpness are cut off."""


def log_losses(measured: Measured, reference: float) -> Array:
    """Give ``log(loss / reference)``, finite and rank-preserving where a run diverged.

    A diverged run gets ``WORST_LOG_LOSS + 1 - share of the steps it survived``, so that a rule
    which diverges later is told apart from one which diverges at once.

    Args:
        measured: Curves at one scale.
        reference: A loss to compare with, positive.

    Returns:
        Shape (K, seeds).
    """
    finite = np.isfinite(measured.losses)
    safe = np.where(finite, measured.losses, reference)
    logs = np.minimum(np.log(np.maximum(safe, 1e-12) / reference), WORST_LOG_LOSS)
    return np.where(finite, logs, WORST_LOG_LOSS + 1 - measured.survived)


def transferred_loss(curves: Sequence[Measured], references: Sequence[float]) -> Array:
    """Average over scales the log loss at the base scale's best learning rate.

    Args:
        curves: The rule's curves, base first.
        references: Best known loss at each of these scales.

    Returns:
        Mean of ``log(loss / best known loss)`` over the scales beyond the base, shape (seeds,).
    """
    pairs = list(zip(curves, references, strict=True))[1:]
    return np.mean([log_losses(c, reference)[c.center] for c, reference in pairs], axis=0)


def lr_collapse(curves: Sequence[Measured]) -> Array:
    """Compare the shapes of loss-versus-LR curves with that of the base.

    With ``g_m(x) = min(log L_m(x) - min log L_m, 1)`` over log LR x, gives the root mean square
    over x and over scales m of ``g_m - g_1``. A curve that is flat because nothing learns differs
    from the base's, where rules cannot differ.

    Args:
        curves: The rule's curves, base first, on one learning-rate grid; a scale of which only one
            learning rate was measured counts as if its curve were the base's.

    Returns:
        Shape (seeds,), in units of log loss.
    """

    def shape(measured: Measured) -> Array:
        logs = log_losses(measured, 1.0)
        return np.minimum(logs - logs.min(axis=0), CURVE_DEPTH)

    base = shape(curves[0])
    gaps = [shape(c) - base if len(c.lrs) > 1 else 0 * base for c in curves[1:]]
    return _rms(np.stack(gaps), axis=(0, 1))


def sharpness_collapse(curves: Sequence[Measured]) -> Array:
    """Compare critical-sharpness curves with that of the base, at one and the same base LR.

    One minibatch's critical step scatters by half an octave, so ``log2 lambda`` is averaged over
    the early, middle and late third of the measurements before it is compared.

    Args:
        curves: The rule's curves, base first.

    Returns:
        Root mean square over thirds and scales of ``log2 lambda_m - log2 lambda_1``, in octaves,
        undetermined values counting as the worst; shape (seeds,).
    """
    octaves = np.stack([np.log2(c.sharpness) for c in curves])  # (scales, T, seeds)
    gaps = np.nan_to_num(octaves[1:] - octaves[0], nan=WORST_OCTAVES)
    gaps = np.clip(gaps, -WORST_OCTAVES, WORST_OCTAVES)
    thirds = np.array_split(gaps, min(3, gaps.shape[1]), axis=1)
    return _rms(np.stack([part.mean(axis=1) for part in thirds]), axis=(0, 1))


def probe_slopes(curves: Sequence[Measured]) -> dict[str, Array]:
    """Give for every probe and group the slope of its log against the log ratio.

    A slope s says that the quantity grows as ``ratio ** s``; under a good parameterization all
    are zero. Slopes are cut off at +-4; a quantity that is zero, negative or not finite somewhere
    has the worst.

    Args:
        curves: The rule's curves, base first, over at least two scales.

    Returns:
        "<probe>/<group>" -> slopes, shape (seeds,).
    """
    x = np.log2([c.ratio for c in curves])
    weights = (x - x.mean()) / np.square(x - x.mean()).sum()
    slopes: dict[str, Array] = {}
    for name in curves[0].probes:
        if any(name not in c.probes for c in curves):  # a stage that measures losses alone
            continue
        values = np.stack([c.probes[name] for c in curves])  # (scales, seeds)
        good = np.isfinite(values) & (values > 0)
        slope = np.clip(weights @ np.log2(np.where(good, values, 1.0)), -WORST_SLOPE, WORST_SLOPE)
        # Where the loss share turned negative the update does harm: as bad as a vanishing one.
        slopes[name] = np.where(good.all(axis=0), slope, -WORST_SLOPE)
    return slopes


def _rms(values: Array, axis: tuple[int, ...]) -> Array:
    return np.sqrt(np.square(values).mean(axis=axis))
