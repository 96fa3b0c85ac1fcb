"""Bad input as a table: a name, the words of the command, and what the one sentence must say.

A file is written for every ``(name, text)`` in ``FILES``; cases name it as a user would. What is
said may leave something out: `` ... ``.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent
MUP = (ROOT / "results" / "published" / "mup.yaml").read_text()
WIDTH = (ROOT / "spaces" / "width.yaml").read_text()
TINY = """paramsearch: 1
name: tiny
fidelity:
  ratios: [1, 2, 4]
  steps: 8
  seeds: 1
  lr: {low: 0.0005, high: 0.5, step: 1, window: 1}
  sharpness: 2
"""
MODEL = """import torch
from torch import nn
import paramsearch


class M(nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.a = nn.Linear(inputs, width)
        self.b = nn.Linear(width, outputs)

    def forward(self, x):
        return self.b(self.a(x).relu())


arch = paramsearch.Arch(build=M, axes={"width": 8})
"""
PARTIAL = """paramsearch: 1
name: partial
optimizer: adam
axes: [width]
groups:
  - match: {role: hidden}
    lr: {width: -1}
"""
HALF = """paramsearch: 1
name: half
gauge: no-multipliers
axes: [width]
groups:
"""
NOTHING = "{loss: 0, lr_collapse: 0, sharpness_collapse: 0, probe_slopes: 0}\n"
FREE = "{low: -1, high: 0, step: 0.5, start: 0}"
OUTPUT = "self.b(self.a(x).relu())"

FILES: dict[str, str] = {"tiny.yaml": TINY, "good.py": MODEL, "afile": "x"}
CASES: dict[str, tuple[list[str], str]] = {}


def changed(text: str, *changes: str) -> str:
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def search(*words: str) -> list[str]:
    tiny = [] if "--objective" in words else ["--objective", "tiny.yaml"]
    return ["search", "mlp", *tiny, "--budget", "16", "--no-solve", "--out", "out", *words]


def verify(*words: str, rule: str = "mup") -> list[str]:
    tiny = [] if "--objective" in words else ["--objective", "tiny.yaml"]
    scales = [] if "--scales" in words else ["--scales", "64"]
    return ["verify", rule, "--arch", "mlp", "--out", "out", *tiny, *scales, *words]


def rule(name: str, text: str, says: str) -> None:
    FILES[f"rule-{name}.yaml"] = text
    CASES[f"rule {name}"] = verify(rule=f"rule-{name}.yaml"), f"rule-{name}.yaml: ... {says}"


def space(name: str, text: str, says: str) -> None:
    FILES[f"space-{name}.yaml"] = text
    CASES[f"space {name}"] = (
        search("--space", f"space-{name}.yaml"),
        f"space-{name}.yaml: ... {says}",
    )


def objective(name: str, text: str, says: str) -> None:
    file = f"objective-{name}.yaml"
    FILES[file] = text
    CASES[f"objective {name}"] = search("--objective", file), f"{file}: ... {says}"


def model(name: str, text: str, says: str, *words: str) -> None:
    FILES[f"{name}.py"] = text
    CASES[f"model {name}"] = ["trace", f"{name}.py", *words], says


def population(name: str, text: str, says: str, backend: str = "auto") -> None:
    FILES[f"{name}.py"] = text
    words = search("--backend", backend)
    CASES[f"model {name}"] = ["search", f"{name}.py", *words[2:]], f"{name}.py: {says}"


def case(name: str, words: list[str], says: str) -> None:
    CASES[name] = words, says


# names
case("architecture", ["trace", "mpl"], "unknown architecture 'mpl'; did you mean 'mlp'?")
case("architecture file", ["trace", "x/y.py"], "architecture file 'x/y.py' does not exist")
case("space", search("--space", "widht"), "unknown space 'widht'; did you mean 'width'?")
case("objective", search("--objective", "tansfer"), "did you mean 'transfer'?")
case("optimizer", search("--optimizer", "adma"), "unknown optimizer 'adma'; did you mean 'adam'?")
case("optimizer with a dot", search("--optimizer", "torch.optim.Adam"), "'torch.optim:Adam'")
case("task", search("--task", "digit"), "unknown task 'digit'; did you mean 'digits'?")
case("sampler", search("--sampler", "CMB"), "unknown sampler 'CMB'; did you mean")
case("sampler case", search("--sampler", "cma"), "unknown sampler 'cma'; did you mean 'CMA'?")
case("sampler alone", search("--sampler", "Cobyla"), "cannot propose several candidates at a time")
case("rule", verify(rule="mupp"), "unknown rule 'mupp'; did you mean 'mup'?")
case("baseline", verify("--baselines", "sp,muq"), "unknown rule 'muq'; did you mean 'mup'?")
case("kind", ["list", "arch"], "unknown kind 'arch'; did you mean 'archs'?")
case(
    "gauge", ["export", "mup", "--gauge", "unit"], "unknown gauge 'unit'; did you mean 'unit-init'"
)
case("form", ["export", "mup", "--to", "xml"], "unknown form 'xml'")
case("command", ["serch"], "no such command 'serch'")
case("option", search("--widht", "3"), "no such option: --widht")
case("missing argument", ["search"], "missing argument 'arch'")
case("missing option", ["verify", "mup"], "missing option '--scales'")

# files
rule("malformed", "paramsearch: 1\nname: [a\n", "line 3: expected ',' or ']'")
rule("binary", "\0\1", "is not YAML")
rule("empty", "", "received nothing; allowed: a mapping of paramsearch, name")
rule("key", changed(MUP, "    lr:", "    lrr:"), "groups.0.lrr: received an unknown key")
rule("key misspelt", changed(MUP, "groups:", "grups:"), "grups: received an unknown key (did you")
rule("type", changed(MUP, "-0.5", "half"), "groups.1.init.width: received 'half'; allowed: a valid")
rule("version", changed(MUP, "paramsearch: 1", "paramsearch: 2"), "paramsearch: received 2")
rule("optimizer", changed(MUP, "adam", "adamm"), "unknown optimizer 'adamm'; did you mean 'adam'?")
rule("misses", PARTIAL, "rule 'partial' has no group that matches input.weight (input, linear)")
case(
    "baseline misses", verify("--baselines", "rule-misses.yaml"), "rule-misses.yaml: rule 'partial'"
)
FILES["sgd.yaml"] = changed(MUP, "optimizer: adam", "optimizer: sgd")
case("rule for sgd", verify("--baselines", "sgd.yaml"), "sgd.yaml: optimizer: received 'sgd'")
space("malformed", "name: {", "line 1:")
space("key", WIDTH + "guage: x\n", "guage: received an unknown key (did you mean 'gauge'?)")
space("type", changed(WIDTH, "low: -1.5", "low: x"), "groups.0.init.width.low: received 'x'")
space("step", changed(WIDTH, "step: 0.25", "step: 0.3"), "allowed: high a whole number of steps")
space(
    "misses", HALF + f"  - match: {{role: hidden}}\n    lr: {{width: {FREE}}}\n", "space 'half' has"
)
space("fixed", HALF + '  - match: {name: "*"}\n    lr: {width: -1}\n', "space 'half' leaves no")
objective("malformed", "a: b: c\n", "line 1: mapping values are not allowed here")
objective(
    "key", TINY + "wieghts: {}\n", "wieghts: received an unknown key (did you mean 'weights'?)"
)
objective("type", changed(TINY, "8", "many"), "fidelity.steps: received 'many'; allowed: a valid")
objective(
    "ratios", changed(TINY, "[1, 2, 4]", "[2, 4]"), "ratios must start at 1 and grow; received [2"
)
FEW = "fidelity.ratios: exponents are slopes over scales: ... ratios that reach 4; received [1, "
objective("two ratios", changed(TINY, "[1, 2, 4]", "[1, 2]"), FEW + "2]")
objective("narrow ratios", changed(TINY, "[1, 2, 4]", "[1, 2, 3]"), FEW + "2, 3]")
objective("empty grid", changed(TINY, "high: 0.5", "high: 0.0001"), "needs at least 3 values")
objective("twice", TINY + "name: x\n", "key 'name' is given twice")
objective("weight", TINY + "weights: {loss: -1}\n", "weights.loss: received -1; allowed: greater")
objective("infinite", changed(TINY, "high: 0.5", "high: .inf"), "fidelity.lr.high: received inf")
objective("tiny step", changed(TINY, "step: 1,", "step: 1.0e-9,"), "fidelity.lr: step 1e-09")
objective("no weight", TINY + "weights: " + NOTHING, "weights: received no weight above 0")
HIGH = changed(TINY, "low: 0.0005, high: 0.5", "low: 1.0e+6, high: 1.0e+9")
LOW = changed(TINY, "low: 0.0005, high: 0.5", "low: 1.0e-9, high: 1.0e-7")
objective("high", HIGH, "at width=32 the best learning rate is the last of the grid")
objective("low", LOW, "move the grid up")
case("verify high", verify("--objective", "objective-high.yaml"), "move the grid down")

# axes and scales
case("axis", search("--axis", "widht"), "architecture 'mlp': unknown axis 'widht'; did you mean")
case(
    "axis to trace",
    ["trace", "mlp", "--axis", "widht"],
    "unknown axis 'widht'; did you mean 'width'?",
)
case("axis of the rule", verify("--axis", "depth"), "rule 'mup' says nothing about axis 'depth'")
case("axis to verify", verify("--axis", "widht"), "unknown axis 'widht'; did you mean 'width'?")
case("axis of the space", search("--axis", "depth", "--space", "width"), "choose another --space")
IDLE = changed(MODEL, "outputs, width)", "outputs, width, other)", "8}", '8, "other": 3}')
model(
    "idle", IDLE, "idle.py: axis 'other' of architecture 'idle' scales nothing", "--axis", "other"
)
case("scales below", verify("--scales", "16"), "width 16 is not above the base width 32")
case("scales equal", verify("--scales", "32"), "width 32 is not above the base width 32")
case("scales words", verify("--scales", "a,b"), "received 'a,b'")
case("scales fraction", verify("--scales", "64.5"), "--scales must be whole numbers")
case("scales huge", verify("--scales", "9" * 15), "at width 999999999999999 a step ... --yes")
case("insisting", verify("--scales", "9" * 30, "--yes"), "'mlp' fails at build at width=99999999")
case("scales empty", verify("--scales", ""), "--scales is empty")
case("no architecture", ["verify", "mup", "--scales", "512"], "add --arch")

# models
model("exits", "import sys; sys.exit(3)\n", "exits.py cannot be run: SystemExit: 3")
model("list", changed(MODEL, '{"width": 8}', '["width"]'), "list.py: axes: received ['width']")
model("zero", changed(MODEL, "8}", "0}"), "zero.py: axes: received base size 0 of 'width'")
model("word", changed(MODEL, "8}", "'a'}"), "word.py: axes: received base size 'a' of 'width'")
model("syntax", "def f(:\n", "syntax.py cannot be run: SyntaxError")
model("imports", "import nonexistent\n", "imports.py cannot be run: ModuleNotFoundError")
model("empty", "x = 1\n", "empty.py must define `arch = paramsearch.Arch(")
model(
    "none", changed(MODEL, "build=M", "build=lambda **sizes: None"), "must return a torch.nn.Module"
)
model(
    "builds", changed(MODEL, "super().__init__()", "raise ValueError('no')"), "builds.py: architect"
)
model(
    "forwards", changed(MODEL, OUTPUT, "self.a(self.b(x))"), "'forwards' fails at forward: Runtime"
)
model("returns", changed(MODEL, OUTPUT, "None"), "returns.py: architecture 'returns' fails at loss")
model("detaches", changed(MODEL, "relu())", "relu()).detach()"), "'detaches' fails at backward")
case(
    "task of a model",
    ["trace", "good.py", "--task", "next_byte"],
    "good.py: architecture 'good' does not take 'vocabulary': task 'next_byte' gives tokens",
)
case(
    "sequences for a model",
    ["trace", "mlp", "--task", "bytes"],
    "architecture 'mlp' does not take 'positions': task 'bytes' predicts at every position",
)
WIDE = changed(
    MODEL, "self.a = ", "assert width < 12 or True\n        self.w = width\n        self.a = "
)
WIDE = changed(WIDE, "return ", "assert self.w < 12, 'too wide'\n        return ")
population("wide", WIDE, "architecture 'wide' fails at forward: AssertionError: too wide")
population(
    "nan", changed(MODEL, "relu())", "relu()) * float('nan')"), "architecture 'nan' gives a loss"
)
ITEM = changed(MODEL, "return ", "assert self.a.weight.sum().item() < 1e9\n        return ")
population("item", ITEM, "architecture 'item' cannot be trained under torch.func.vmap", "stacked")
INSISTS = "assert type(self.a.weight) is nn.Parameter, 'bare'\n        return "
model(
    "insists", changed(MODEL, "return ", INSISTS), "'insists' fails at replaced parameters: Asser"
)

# numbers and machines
case("device", search("--device", "gpu"), "device 'gpu' cannot be used: allowed are cpu, cuda, and")
case("cuda", search("--device", "cuda"), "device 'cuda' cannot be used: torch finds no CUDA GPU")
case(
    "cuda to verify", verify("--device", "cuda:1"), "device 'cuda:1' cannot be used: torch finds no"
)
case("budget", search("--budget", "0"), "budget: received '0'; allowed: a whole number of trials")
case("budget unit", search("--budget", "5 weeks"), "budget: received '5 weeks'; allowed: a number")
case("small budget", search("--budget", "9steps"), "9 member-steps, which are too few for one")
case("tiny budget", search("--budget", "15"), "15 trials, which are too few for one generation of")
case("short budget", search("--budget", "0.001s"), "too few for one generation of 16 candidates")
case("held axis", verify("--with", "depht=8"), "--with: received axis 'depht'; allowed: depth")
case("held size", verify("--with", "depth=big"), "--with takes AXIS=SIZE, as in depth=8; received")
case("held unsaid", verify("--with", "depth=8"), "rule 'mup' says nothing about axis 'depth'")
case("second axis", search("--axis", "width,hight"), "architecture 'mlp': unknown axis 'hight'")
case("preference", search("--prefer", "both"), "prefer: received 'both'; allowed: limit, loss")
case("target", search("--target-ratio", "1"), "target ratio: received 1; allowed: a number above")
case("blind suggestion", search("--blind", "--suggest", "mup"), "a blind search sees no rule")
case("unknown suggestion", search("--suggest", "mupp"), "unknown rule 'mupp'; did you mean 'mup'")
case(
    "suggestion outside",
    search("--suggest", "mup", "--space", "lr-only"),
    "suggestion 'mup' lies outside the space: it sets what the space fixes ... free are input lr",
)
case("budget word", search("--budget", "many"), "budget: received 'many'; allowed: a")
case("seed", search("--seed", "-1"), "seed must be from 0 to 4294967295; received -1")
case(
    "seed of verify", verify(f"--seed={10**20}"), "seed must be from 0 to 4294967295; received 1000"
)
case("seeds", verify("--seeds", "0"), "seeds must be at least 1; received 0")

# folders
case("out is a file", search("--out", "afile"), "--out: afile is a file; allowed: a folder")
case(
    "out under a file",
    search("--out", "afile/x"),
    "afile/x cannot be made, because afile is a file",
)
case("verify to a file", verify("--out", "afile"), "--out: afile is a file")
case("dot is a folder", ["trace", "mlp", "--dot", "."], "--dot: . is a folder")
case("export under a file", ["export", "mup", "--out", "afile/x"], "--out: afile is a file")
case("nothing to resume", search("--resume"), "run folder out holds no run to resume")
case("no run", ["verify", "runs/none", "--scales", "512"], "run folder runs/none does not exist")
case("no report", ["report", "runs/none"], "run folder runs/none does not exist")
case("no rule file", verify(rule="none.yaml"), "rule file 'none.yaml' does not exist")
