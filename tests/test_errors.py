"""Errors are one sentence with the value received and what exists."""

import pytest

from paramsearch.errors import ParamsearchError, unknown_name

CASES = [
    ("mpl", ["mlp", "gpt"], "unknown architecture 'mpl'; did you mean 'mlp'? (known: gpt, mlp)"),
    ("zzz", ["mlp", "gpt"], "unknown architecture 'zzz' (known: gpt, mlp)"),
    ("mlp", [], "unknown architecture 'mlp' (known: none)"),
    ("MLP", ["mlp"], "unknown architecture 'MLP'; did you mean 'mlp'? (known: mlp)"),
]


@pytest.mark.parametrize(("name", "known", "sentence"), CASES)
def test_unknown_name(name, known, sentence):
    assert str(unknown_name("architecture", name, known)) == sentence


def test_a_user_can_catch_value_error():
    assert issubclass(ParamsearchError, ValueError)
