"""A rule as YAML, JSON, a table, and plain torch code, each read back."""

import json
import math

import pytest
import torch
import yaml
from exported import ran
from torch import nn
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app
from paramsearch.jobs.export import export
from paramsearch.rules.export.forms import FORMS
from paramsearch.rules.export.layout import lay
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import trace

MUP = Rule.load("mup")


def built(arch, scale, dtype=torch.float32):
    return arch.model(load_task(arch.task).dims, scale).to(dtype)


def seeded():
    return torch.Generator().manual_seed(7)


def settings(model, groups):
    """Tensor name -> everything that a group says of it but its name."""
    names = {id(p): name for name, p in model.named_parameters()}
    said = ("lr", "weight_decay", "eps")
    return {names[id(p)]: [g.get(k) for k in said] for g in groups for p in g["params"]}


@pytest.mark.parametrize("rule", [MUP, Rule.load("ntk-sgd"), MUP.regauge("unit-init")])
def test_yaml_and_json_are_read_back(rule):
    assert Rule.model_validate(yaml.safe_load(export(rule, "yaml"))) == rule
    assert Rule.model_validate_json(export(rule, "json")) == rule
    moved = Rule.model_validate_json(export(rule, "json", gauge="no-multipliers"))
    assert moved == rule.regauge("no-multipliers")


# rule, optimizer, architecture and its options, scale of the model, ratio
WRITTEN = {
    "mlp adam": ("mup", "adam", "mlp", {}, {"width": 128}, {"width": 4}),
    "mlp sgd": ("ntk", "sgd", "mlp", {}, {"width": 128}, {"width": 4}),
    "deeper mlp": ("ntk", "adamw", "mlp", {}, {"width": 64, "depth": 5}, {"width": 2}),
    "gpt": ("ntk", "adamw", "gpt", {}, {"width": 64}, {"width": 2}),
    "logits": ("mup", "adamw", "gpt", {"attention_scale": "standard"}, {"width": 64}, {"width": 2}),
    "branches": (
        "completep", "adamw", "gpt", {}, {"width": 64, "depth": 4}, {"width": 2, "depth": 2}
    ),
    "resnet": ("mup", "sgd", "resnet", {}, {"width": 32}, {"width": 2}),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN)
def test_the_python_file_does_what_apply_does(case):
    name, optimizer, arch, options, scale, ratio = WRITTEN[case]
    rule, arch = Rule.load(name, optimizer), load_arch(arch, options)
    ours, theirs = built(arch, scale), built(arch, scale)
    plain = rule.folded(trace(arch, scale=scale).tensors).regauge("no-multipliers")
    base, inputs = dict(lr=0.02, weight_decay=0.3), load_task(arch.task).batch(0)[0]
    expected = paramsearch.apply(
        plain, ours, lambda: built(arch, {}), ratios=ratio, generator=seeded(), inputs=inputs,
        **base,
    )  # fmt: skip
    file = ran(export(rule, "python", arch=arch))
    file.init_(theirs, ratio, seeded())
    groups = file.param_groups(theirs, ratio, **base)
    said, wanted = settings(theirs, groups), settings(ours, expected)
    assert said == {name: pytest.approx(values) for name, values in wanted.items()}
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        # blocks share one standard deviation in the file; each has its own estimate in apply
        torch.testing.assert_close(other, one, rtol=0.03, atol=1e-9)


def test_the_python_file_trains_as_the_rule_with_its_multipliers():
    arch, rule, double = load_arch("mlp"), Rule.load("ntk"), torch.float64
    x, y = load_task("digits").batch(0)
    ours, theirs = (built(arch, {"width": 64}, double) for _ in "ab")
    file = ran(export(rule, "python", arch=arch))
    base, ratio = dict(lr=0.01, eps=1e-6), {"width": 2}
    groups = paramsearch.apply(rule, ours, lambda: built(arch, {}), generator=seeded(), **base)
    file.init_(theirs, ratio, seeded())
    runs = []
    for model, group in ((ours, groups), (theirs, file.param_groups(theirs, ratio, **base))):
        optimizer, losses = torch.optim.Adam(group), []
        for _ in range(5):
            losses.append(nn.functional.cross_entropy(model(x.double()), y))
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
        runs.append(torch.stack(losses).detach())
    torch.testing.assert_close(*runs, rtol=1e-4, atol=0)  # its table has six digits


def test_the_python_file_needs_torch_alone():
    text = export("mup", "python", arch="mlp")
    imports = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    assert {line.split()[1].split(".")[0] for line in imports} == {
        "math", "re", "collections", "typing", "torch"
    }  # fmt: skip


# what is wrong -> ratio, size of the model, and what the file says
MISTAKES = {
    "size": ({"width": 2}, 128, r"input.weight has shape \(128, 64\); .* should be about 64"),
    "axis": ({"depth": 4}, 128, r"ratio must give a positive number for width; got {'depth': 4}"),
    "sign": ({"width": -4}, 128, r"positive number for width"),
}


@pytest.mark.parametrize(("ratio", "width", "says"), MISTAKES.values(), ids=MISTAKES)
def test_the_python_file_refuses_what_does_not_fit(ratio, width, says):
    file, arch = ran(export("mup", "python", arch="mlp")), load_arch("mlp")
    with pytest.raises(ValueError, match=says):
        file.param_groups(built(arch, {"width": width}), ratio, lr=0.1)
    with pytest.raises(ValueError, match=r"0.weight is not a tensor of the architecture"):
        file.init_(nn.Sequential(nn.Linear(2, 2)), {"width": 4})


def test_frozen_tensors_are_left_alone():
    file, model = ran(export("mup", "python", arch="mlp")), built(load_arch("mlp"), {"width": 64})
    model.input.requires_grad_(False)
    before = model.input.weight.clone()
    file.init_(model, {"width": 2})
    assert torch.equal(before, model.input.weight)
    assert "input.weight" not in settings(model, file.param_groups(model, {"width": 2}, lr=1.0))


class Uneven(nn.Module):
    """Two blocks that start alike, and a third of another size of values."""

    def __init__(self, inputs, outputs, width, channels=1):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(inputs, width) for _ in range(3))
        self.head = nn.Linear(width, outputs)
        nn.init.normal_(self.blocks[2].weight, std=3.0)

    def forward(self, x):
        return self.head(sum(block(x) for block in self.blocks))


def test_blocks_are_one_row_where_they_are_alike():
    rows = lay(MUP, Arch(Uneven, {"width": 16}, "digits")).rows
    stds = {row.pattern: row.law.std for row in rows}
    assert list(stds)[:4] == [
        "blocks.0.weight", "blocks.1.weight", "blocks.2.weight", "blocks.*.bias"
    ]  # fmt: skip
    assert stds["blocks.2.weight"] == pytest.approx(3.0, rel=0.05)
    assert stds["blocks.*.bias"] == pytest.approx(1 / math.sqrt(3 * 64), rel=0.1)


def test_one_axis_of_a_rule_of_two():
    data = MUP.model_dump(exclude_defaults=True) | {"axes": ["width", "depth"]}
    data["groups"][1]["lr"] = {"width": -1, "depth": -0.5}
    both = Rule.model_validate(data)
    model = built(load_arch("mlp"), {"width": 64, "depth": 6})
    file = ran(export(both, "python", arch="mlp"))
    groups = file.param_groups(model, {"width": 2, "depth": 2}, lr=1.0)
    hidden = {g["name"]: g["lr"] for g in groups}["hidden"]
    assert hidden == pytest.approx(2**-1.5)
    alone = ran(export(both, "python", arch="mlp", axis="width"))
    assert alone.BASE == {"width": 32}
    assert {g["name"]: g["lr"] for g in alone.param_groups(model, {"width": 2}, lr=1.0)}[
        "hidden"
    ] == pytest.approx(2**-1)


TABLE = """\
**mup** for adam: factors relative to the base model, $m$ the width ratio.

| parameters | multiplier | initial std | learning rate |
| --- | --- | --- | --- |
| input weights | 1 | 1 | 1 |
| hidden weights | 1 | $m^{-1/2}$ | $m^{-1}$ |
| output weights | 1 | $m^{-1}$ | $m^{-1}$ |
| biases and gains | 1 | 1 | 1 |
| parameters that do not grow | 1 | 1 | 1 |
| attention logits, beside $1/\\sqrt{d}$ | $m^{-1/2}$ |  |  |
"""


def test_the_table_for_a_paper():
    text = export("mup", "markdown")
    assert text.startswith(TABLE) and "arXiv 2203.03466" in text
    assert "| hidden weights | $m^{-1/2}$ | 1 |" in export("sp", "markdown")
    assert "| residual branches | $m_{\\text{depth}}^{-1}$ |" in export("completep", "markdown")
    assert "$m_{\\text{depth}}^{-2/3}$" in export(two_axes(), "markdown")
    assert "| hidden weights in residual branches named `a.*` |" in export(two_axes(), "markdown")


def two_axes():
    match = {"role": "hidden", "residual": True, "name": "a.*"}
    group = {"match": match, "lr": {"depth": -2 / 3}}
    return Rule(name="r", optimizer="adam", axes=("width", "depth"), groups=(group,))


def test_a_command_line_for_every_form(tmp_path):
    for form in FORMS:
        out = tmp_path / form
        words = ["export", "mup", "--to", form, "--arch", "mlp", "--out", str(out)]
        ended = CliRunner().invoke(app, words)
        assert ended.exit_code == 0 and ended.stdout == "", ended.stderr
        assert out.read_text() == export("mup", form, arch="mlp")


def test_a_run_folder_knows_its_architecture(tmp_path):
    (tmp_path / "rule.yaml").write_text(MUP.text())
    asked = {"arch": "mlp", "task": "digits", "axis": "width", "objective": "transfer"}
    summary = {**asked, "options": ["width=16"], "curves": {"found": []}}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert ran(export(tmp_path, "python")).BASE == {"width": 16}


WRONG = {
    "form": (["--to", "pythn"], "unknown form 'pythn'; did you mean 'python'?"),
    "no arch": (["--to", "python"], "form 'python' lists the tensors of an architecture"),
    "gauge": (
        ["--to", "python", "--arch", "mlp", "--gauge", "unit-init"],
        "form 'python' has no forward multipliers; received gauge 'unit-init'",
    ),
    "no such gauge": (["--gauge", "unit"], "unknown gauge 'unit'"),
    "axis": (
        ["--to", "python", "--arch", "mlp", "--axis", "depth"],
        "rule 'mup' says nothing about axis 'depth'; it has width",
    ),
    "optimizer": (["--optimizer", "soap"], "received 'adam'; allowed here: 'soap'"),
    "option": (["--to", "python", "--arch", "mlp", "--set", "x=1"], "'x'"),
}


@pytest.mark.parametrize(("words", "says"), WRONG.values(), ids=WRONG)
def test_bad_input_is_one_sentence(words, says, tmp_path):
    ended = CliRunner().invoke(app, ["export", "mup", "--out", str(tmp_path / "x"), *words])
    assert ended.exit_code == 2 and ended.stdout == ""
    assert ended.stderr.startswith("error: ") and says in ended.stderr
    assert ended.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_an_architecture_without_the_axis_of_the_rule():
    with pytest.raises(paramsearch.ParamsearchError, match=r"'mlp' has no axis 'heads', of which"):
        export(MUP.model_copy(update={"axes": ("heads",), "groups": MUP.groups[:0]}), "python",
               arch="mlp")  # fmt: skip
