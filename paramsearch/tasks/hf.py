"""Task ``hf:DATASET``: the text of a Hugging Face dataset in the local cache, byte by byte."""

import importlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from paramsearch.errors import ParamsearchError, said
from paramsearch.tasks import text
from paramsearch.tasks.sequences import BATCH, CONTEXT, EVALUATION, Sequences
from paramsearch.tasks.streams import generator
from paramsearch.tasks.windows import windows


def hf(
    device: str | torch.device = "cpu",
    seed: int = 0,
    *,
    dataset: str,
    config: str = "",
    split: str = "train",
    column: str = "text",
    context: int = CONTEXT,
    batch: int = BATCH,
) -> Sequences:
    """Predict every next byte of a dataset's text, from the local Hugging Face cache alone.

    Nothing is downloaded and no tokenizer is needed: 256 tokens, documents end with byte 0. About
    4 MB are taken from the start; every eighth document is held out.

    Args:
        device: Where the text lies.
        seed: Chooses where the training windows are cut.
        dataset: For instance ``roneneldan/TinyStories``.
        config: Configuration of the dataset, where it has several.
        split: Its split.
        column: The column of text.
        context: Bytes that enter the model.
        batch: Windows in a batch.

    Returns:
        The task; its loss floor is not known.

    Raises:
        ParamsearchError: The extra is not installed, the dataset is not in the cache, or it has no
            such column or too little text.
    """
    try:
        library: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise ParamsearchError(
            f"task 'hf:{dataset}' needs the extra 'hf': pip install 'paramsearch[hf]'"
        ) from error
    if int(library.__version__.split(".")[0]) < 4:
        raise ParamsearchError(
            f"task 'hf:{dataset}': received datasets {library.__version__}; allowed: 4 or newer, "
            "which runs no code of a dataset"
        )
    with _offline(library):
        try:
            rows = library.load_dataset(dataset, config or None, split=split)
        except Exception as error:  # the library raises classes of many modules
            raise ParamsearchError(
                f"dataset '{dataset}' (config '{config}', split '{split}') cannot be loaded "
                f"from the local cache: {said(error)}"
            ) from error
    if column not in rows.column_names:
        raise ParamsearchError(
            f"dataset '{dataset}' has no column '{column}'; allowed: {', '.join(rows.column_names)}"
        )
    train, held_out, count = text.split(_documents(rows, column))
    if min(len(train), len(held_out)) <= context:
        raise ParamsearchError(
            f"dataset '{dataset}' needs at least {text.HELD_OUT_EVERY} documents, each "
            f"{text.HELD_OUT_EVERY}th longer than {context} bytes; it has {count}"
        )
    evaluation = windows(held_out.to(device), context + 1)
    return Sequences(
        "hf",
        seed,
        windows(train.to(device), context + 1),
        evaluation(EVALUATION, generator("hf", "evaluation")),
        256,
        batch=batch,
    )


def _documents(rows: Any, column: str) -> Iterator[bytes]:
    for row in rows:
        yield (row[column] or "").encode() + b"\0"


@contextmanager
def _offline(library: Any) -> Generator[None]:
    """Let the library see the local cache only; it looks at flags of two modules."""
    hub: Any = importlib.import_module("huggingface_hub.constants")
    before = library.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE
    library.config.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        library.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE = before
