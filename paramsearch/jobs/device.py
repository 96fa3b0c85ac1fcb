"""Whether a device that a user names exists."""

import torch

from paramsearch.errors import ParamsearchError


def check_device(device: str) -> None:
    """Check that a device exists on this machine.

    Args:
        device: For instance ``"cpu"`` or ``"cuda:1"``.

    Raises:
        ParamsearchError: It does not.

    Example:
        >>> check_device("cpu")
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ParamsearchError(f"device '{device}' cannot be used: {reason}") from error
