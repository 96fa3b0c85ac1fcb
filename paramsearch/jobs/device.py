"""Whether a device that a user names exists."""

import re

import torch

from paramsearch.errors import ParamsearchError


def check_device(device: str) -> None:
    """Check that a device exists on this machine.

    Args:
        device: ``"cpu"``, ``"cuda"`` or for instance ``"cuda:1"``.

    Raises:
        ParamsearchError: It does not.

    Example:
        >>> check_device("cpu")
    """
    if device == "cpu":
        return
    if not re.fullmatch(r"cuda(:\d+)?", device):
        raise ParamsearchError(
            f"device '{device}' cannot be used: allowed are cpu, cuda, and cuda:N for the Nth GPU"
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(device.partition(":")[2] or 0) >= count:
        raise ParamsearchError(
            f"device '{device}' cannot be used: torch finds {count or 'no'} CUDA GPU"
            f"{'s' * (count > 1)} on this machine; "
            + ("use --device cpu" if not count else f"the last is cuda:{count - 1}")
        )
