"""The recipes of docs/plug.md for trainers of others, run as they are printed."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import paramsearch

pytestmark = pytest.mark.slow  # these packages take seconds to import

DOCS = (Path(__file__).parent.parent / "docs" / "plug.md").read_text()


def recipe(word: str) -> str:
    """The first block of code in which a word stands."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    return next(block for block in blocks if word in block)


def test_hugging_face_trainer(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    def build(width: int) -> nn.Module:
        sizes = dict(hidden_size=width, intermediate_size=2 * width, vocab_size=16)
        config = transformers.LlamaConfig(num_hidden_layers=1, num_attention_heads=2, **sizes)
        return transformers.LlamaForCausalLM(config)

    tokens = torch.randint(16, (8, 8), generator=torch.Generator().manual_seed(0))
    arguments = transformers.TrainingArguments(
        tmp_path, max_steps=2, use_cpu=True, report_to=[], learning_rate=7.0, save_strategy="no"
    )
    names = {
        "paramsearch": paramsearch,
        "torch": torch,
        "Trainer": transformers.Trainer,
        "rule": paramsearch.Rule.load("mup", "adamw"),
        "model": build(32),
        "small_model": build(8),
        "arguments": arguments,
        "tokens": tokens,
        "data": [{"input_ids": row, "labels": row} for row in tokens],
    }
    exec(recipe("optimizers=(optimizer, None)"), names)
    weight = names["model"].model.layers[0].mlp.up_proj.weight
    before = weight.detach().clone()
    names["trainer"].train()
    groups = {g["name"]: g["initial_lr"] for g in names["optimizer"].param_groups}
    assert groups["hidden"] == pytest.approx(1e-3 / 4)
    assert not torch.equal(before, weight)


@pytest.mark.filterwarnings("ignore")  # its own: it warns of torch, of workers and of itself
def test_lightning(tmp_path):
    lightning = pytest.importorskip("lightning")
    names = {"paramsearch": paramsearch, "torch": torch}
    exec(recipe("configure_optimizers"), names)

    class Module(lightning.LightningModule):
        configure_optimizers = names["configure_optimizers"]

        def __init__(self, width: int):
            super().__init__()
            layers = [nn.Linear(4, width), nn.Linear(width, width), nn.Linear(width, 2)]
            self.layers = nn.Sequential(*layers)

        def training_step(self, batch, index):
            return self.layers(batch).square().mean()

    names |= {"rule": paramsearch.Rule.load("mup", "adamw"), "small_model": Module(8)}
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False)
    model = Module(32)
    trainer = lightning.Trainer(max_steps=2, accelerator="cpu", default_root_dir=tmp_path, **quiet)
    trainer.fit(model, torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=4))
    lrs = {g["name"]: g["lr"] for g in trainer.optimizers[0].param_groups}
    assert lrs["hidden"] == pytest.approx(1e-3 / 4)
