"""What tensors do that were not seen at work: by the type of their module, or by tensors like them.

A step may leave out an expert to which no token was sent, a layer that was skipped at random, or
whatever runs where ops cannot be recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from paramsearch.tracing.dims import size_of
from paramsearch.tracing.modules import module_use
from paramsearch.tracing.names import without_numbers
from paramsearch.tracing.recording import Use


def with_unseen(
    model: nn.Module, uses: Mapping[str, Sequence[Use]], owner: Mapping[str, nn.Module]
) -> dict[str, Sequence[Use]]:
    """Add the uses of tensors that were not seen at work, where something tells what they do.

    Args:
        model: The model.
        uses: Tensor name -> its uses, of the tensors that were seen.
        owner: Tensor name -> the module that holds it.

    Returns:
        Those uses, and for other tensors the use that torch's own module makes of them, or else the
        one of a tensor whose name differs in block numbers alone.

    Example:
        >>> experts = nn.ModuleList([nn.Linear(8, 4, bias=False)])
        >>> with_unseen(experts, {}, {"0.weight": experts[0]})["0.weight"][0].fan_in
        8
    """
    result: dict[str, Sequence[Use]] = dict(uses)
    alike = {without_numbers(name): seen for name, seen in uses.items()}
    for name, parameter in model.named_parameters():
        if name in uses:
            continue
        shape = tuple(parameter.shape)
        known = module_use(owner[name], shape)
        found = [known] if known else _fitted(alike.get(without_numbers(name), ()), shape)
        if found:
            result[name] = found
    return result


def _fitted(uses: Sequence[Use], shape: tuple[int, ...]) -> list[Use]:
    """Give the uses of another tensor to one of this shape, if it has as many dimensions."""
    if any(dim >= len(shape) for use in uses for dim in (*use.summed, *use.kept, *use.copies)):
        return []
    return [_resized(use, shape) if use.summed else use for use in uses]


def _resized(use: Use, shape: tuple[int, ...]) -> Use:
    fans = size_of(shape, use.summed), size_of(shape, use.kept - use.copies)
    return replace(use, fan_in=fans[0], fan_out=fans[1])
