"""Random access into random streams: a generator for every key, without state between them."""

from hashlib import blake2b

import torch


def generator(*key: str | int) -> torch.Generator:
    """Give a CPU generator whose draws depend on the key alone, not on earlier draws.

    The seed is a hash of the key, because torch's CPU generator looks at the low 32 bits of a
    seed only: ``seed * 2**32 + step`` would give every seed the same stream.

    Args:
        key: What the draws are for, for instance ``("digits", seed, step)``.

    Returns:
        A fresh generator.

    Example:
        >>> a, b = generator("digits", 0, 7), generator("digits", 0, 7)
        >>> bool((torch.rand(3, generator=a) == torch.rand(3, generator=b)).all())
        True
    """
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
