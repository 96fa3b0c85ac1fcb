"""What jobs choose where the user names nothing."""

from collections.abc import Sequence

from paramsearch.catalog import names
from paramsearch.errors import ParamsearchError


def space_for(axes: Sequence[str]) -> str:
    """Give the shipped space named like the axes, ``width-depth`` for two.

    Args:
        axes: At least one.

    Raises:
        ParamsearchError: There is none.

    Example:
        >>> space_for(["width"])
        'width'
    """
    name = "-".join(axes)
    if name not in names("space"):
        what = f"axis '{name}'" if len(axes) == 1 else f"axes {' and '.join(axes)}"
        raise ParamsearchError(
            f"no shipped space is named like {what}; give one by --space (known: "
            f"{', '.join(names('space'))}, or the path of a file)"
        )
    return name
