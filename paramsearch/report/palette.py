"""Colours that mean the same in every picture of a model."""

ROLE_COLOURS = {
    "input": "#cfe2f3",
    "hidden": "#d9ead3",
    "output": "#fce5cd",
    "vector": "#ead1dc",
    "scalar": "#eeeeee",
}
"""Role of a tensor -> colour of its box."""
