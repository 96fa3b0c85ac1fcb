"""Architectures for images and graphs against other implementations, and uv against its theory."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn import functional as F

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.run import seeded
from paramsearch.tracing.trace import trace

IMAGES = {"inputs": 64, "outputs": 10}
COLOURS = {"inputs": 3 * 64, "outputs": 10, "channels": 3}
GRAPHS = {"inputs": 6 * (6 + 3), "outputs": 2, "nodes": 6}
VARIANTS = [
    ("uv", {"p": 0.25}, IMAGES),
    ("convnet", {"stride": 2}, COLOURS),
    ("resnet", {"bottleneck": True, "groups": 2}, IMAGES),
    ("resnet", {"stride": 2}, COLOURS),
    ("vit", {"pool": "mean", "attention_scale": "standard"}, IMAGES),
    ("vit", {"patch": 4, "heads": 3}, COLOURS),
    ("gnn", {}, GRAPHS),
]


def made(name: str, dims: dict[str, int], seed: int = 0, **settings: object) -> nn.Module:
    """Build in float64 with noise on every parameter, so that none of them hides."""
    with seeded(seed):
        model = load_arch(name, settings).model(dims).double()
        for parameter in model.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model.requires_grad_(False)


def numbers(*shape: int, key: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(key)).double()


def graphs(count: int) -> Tensor:
    """Flat graphs of 6 nodes with 3 features each; node 5 has no neighbour."""
    edges = (numbers(count, 6, 6).triu(diagonal=1) > 0).double()
    edges[..., 5] = 0
    return torch.cat([edges + edges.mT, numbers(count, 6, 3, key=1)], dim=-1).flatten(1)


def uv_state(model: nn.Module, x: Tensor, y: float) -> Tensor:
    """Error and trace of the Hessian, the squared norm of the output's gradient."""
    f = model(x)
    gradients = torch.autograd.grad(f.sum(), list(model.parameters()))
    return torch.stack([f.squeeze() - y, sum(g.square().sum() for g in gradients)]).detach()


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_uv_follows_its_closed_recursion(p):
    width, lr, y = 32, 0.4, 1.5
    model = made("uv", {"inputs": 5, "outputs": 1}, p=p, width=width).requires_grad_()
    x = F.normalize(numbers(1, 5))
    k, (error, trace) = width ** (p - 1), uv_state(model, x, y)
    for _ in range(50):
        gradients = torch.autograd.grad((model(x) - y).square().sum() / 2, [*model.parameters()])
        for w, gradient in zip(model.parameters(), gradients, strict=True):
            w.data -= lr * gradient
        growth = 1 - lr * trace + lr**2 * k * error * (error + y)
        trace = trace + lr * k * (lr * trace * error**2 - 4 * error * (error + y))
        error = error * growth
        expected = torch.stack([error, trace])
        torch.testing.assert_close(uv_state(model, x, y), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("width", [64, 1024])
def test_uv_starts_with_the_same_curvature_at_every_width(p, width):
    with seeded():
        arch = load_arch("uv", {"p": p, "sigma": 0.8})
        model = arch.model({"inputs": 400, "outputs": 1}, {"width": width}).double()
    _, found = uv_state(model, torch.ones(1, 400).double(), 0.0)
    assert found.item() == pytest.approx(2 * 0.8**2 * 400, rel=0.2)
    assert model.u.weight.std().item() == pytest.approx(0.8 * width ** (-p / 2), rel=0.02)


def plain_conv(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """A convolution as one matrix product with all patches."""
    kernel = weight.shape[-1]
    patches = F.unfold(x, kernel, padding=kernel // 2, stride=stride)
    side = round(patches.shape[-1] ** 0.5)
    return (weight.flatten(1) @ patches).unflatten(-1, (side, side))


def plain_norm(x: Tensor, groups: int, p: dict[str, Tensor], name: str) -> Tensor:
    parts = x.reshape(len(x), groups, -1)
    parts = parts - parts.mean(dim=-1, keepdim=True)
    parts = parts / (parts.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    gain, bias = (p[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
    return gain * parts.view_as(x) + bias


def plain_readout(h: Tensor, p: dict[str, Tensor]) -> Tensor:
    return h.flatten(2).mean(dim=-1) @ p["readout.weight"].T + p["readout.bias"]


@pytest.mark.parametrize(("dims", "stride"), [(IMAGES, 1), (COLOURS, 2)])
def test_convnet_equals_products_with_patches(dims, stride):
    model, x = made("convnet", dims, stride=stride, groups=2), numbers(4, dims["inputs"])
    p = dict(model.named_parameters())
    h = x.view(4, dims.get("channels", 1), 8, 8)
    for layer, step in [("input", stride), ("hidden.0", 1), ("hidden.1", 1)]:
        h = plain_norm(plain_conv(h, p[f"{layer}.conv.weight"], step), 2, p, f"{layer}.norm").relu()
    torch.testing.assert_close(model(x), plain_readout(h, p))


@pytest.mark.parametrize(("bottleneck", "convolutions"), [(False, 2), (True, 3)])
def test_resnet_equals_products_with_patches(bottleneck, convolutions):
    model, x = made("resnet", COLOURS, bottleneck=bottleneck, depth=2), numbers(4, 3 * 64)
    p = dict(model.named_parameters())
    stream = plain_conv(x.view(4, 3, 8, 8), p["input.weight"])
    for block in ("blocks.0", "blocks.1"):
        h = stream
        for i in range(1, convolutions + 1):
            h = plain_norm(h, 4, p, f"{block}.norm{i}").relu()
            h = plain_conv(h, p[f"{block}.conv{i}.weight"])
        stream = stream + h
    torch.testing.assert_close(model(x), plain_readout(plain_norm(stream, 4, p, "norm").relu(), p))


def test_vit_blocks_equal_torchs_encoder_layer():
    block, x = made("vit", IMAGES, attention_scale="standard").blocks[0], numbers(4, 17, 32)
    p = block.state_dict()
    theirs = nn.TransformerEncoderLayer(
        32, 2, 128, dropout=0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    state = {f"{n}.{part}": p[f"{n}.{part}"] for n in ("norm1", "norm2") for part in PARTS}
    for part in PARTS:
        projections = [p[f"attention.{name}.{part}"] for name in ("query", "key", "value")]
        state[f"self_attn.in_proj_{part}"] = torch.cat(projections)
        state[f"self_attn.out_proj.{part}"] = p[f"attention.out.{part}"]
        state[f"linear1.{part}"], state[f"linear2.{part}"] = p[f"up.{part}"], p[f"down.{part}"]
    theirs.load_state_dict(state)
    torch.testing.assert_close(block(x), theirs(x))


PARTS = ("weight", "bias")
HUGGING_FACE = {  # our name -> theirs
    "patches": "vit.embeddings.patch_embeddings.projection",
    "positions": "vit.embeddings.position_embeddings",
    "token": "vit.embeddings.cls_token",
    "blocks": "vit.layers",
    "attention.query": "attention.q_proj",
    "attention.key": "attention.k_proj",
    "attention.value": "attention.v_proj",
    "attention.out": "attention.o_proj",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "up": "mlp.fc1",
    "down": "mlp.fc2",
    "norm": "vit.layernorm",
    "readout": "classifier",
}


def theirs_of(name: str) -> str:
    """Translate a parameter's name into that of transformers."""
    if name.startswith("blocks."):
        blocks, number, rest = name.split(".", 2)
        return f"{HUGGING_FACE[blocks]}.{number}.{theirs_of(rest)}"
    module, _, part = name.rpartition(".")
    return f"{HUGGING_FACE[module]}.{part}" if module else HUGGING_FACE[name]


def test_vit_equals_that_of_transformers():
    library = pytest.importorskip("transformers")
    config = library.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        image_size=8, patch_size=2, num_channels=3, num_labels=10, layer_norm_eps=1e-5,
    )  # fmt: skip
    theirs = library.ViTForImageClassification(config).double().eval()
    model, x = made("vit", COLOURS, attention_scale="standard"), numbers(4, 3 * 64)
    theirs.load_state_dict({theirs_of(name): value for name, value in model.state_dict().items()})
    logits = theirs(x.view(4, 3, 8, 8)).logits
    torch.testing.assert_close(model(x), logits, rtol=0, atol=1e-5)


def test_mup_attention_divides_by_the_head_size():
    narrow, wide = (made("vit", IMAGES, width=width).blocks[0].attention for width in (32, 64))
    assert (narrow.scale, wide.scale) == (16**-0.5, 16**-0.5 / 2)


def test_gnn_equals_a_loop_over_nodes_and_their_neighbours():
    model, flat = made("gnn", GRAPHS), graphs(3)
    for example, output in zip(flat.view(3, 6, 9), model(flat), strict=True):
        h = [model.input(row[6:]) for row in example]
        for block in model.blocks:
            z = [block.norm(node).relu() for node in h]
            said = [block.neighbours(node) for node in z]
            h = [
                h[v] + block.own(z[v]) + mean_of([said[u] for u in range(6) if example[v, u]], h[v])
                for v in range(6)
            ]
        expected = model.readout(torch.stack([model.norm(node) for node in h]).mean(dim=0))
        torch.testing.assert_close(output, expected)


def mean_of(vectors: list[Tensor], like: Tensor) -> Tensor:
    return torch.stack(vectors).mean(dim=0) if vectors else torch.zeros_like(like)


@pytest.mark.parametrize(("name", "settings", "dims"), VARIANTS)
def test_members_under_vmap_equal_single_models(name, settings, dims):
    models = [made(name, dims, seed, **settings) for seed in (0, 1)]
    x = graphs(4) if "nodes" in dims else numbers(4, dims["inputs"])

    def loss(params: dict[str, Tensor]) -> Tensor:
        return functional_call(models[0], params, (x,)).square().mean()

    members = [model.state_dict() for model in models]
    stacked = {key: torch.stack([member[key] for member in members]) for key in members[0]}
    together, _ = vmap(grad_and_value(loss))(stacked)
    for i, member in enumerate(members):
        found = {key: value[i] for key, value in together.items()}
        torch.testing.assert_close(found, grad_and_value(loss)(member)[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uv", {"input", "output"}),
        ("convnet", {"input", "vector", "hidden", "output", "scalar"}),
        ("resnet", {"input", "vector.residual", "hidden", "vector", "output", "scalar"}),
    ],
)
def test_groups(name, expected):
    assert set(trace(name).groups()) == expected


def test_modules_in_vit_are_apart_and_the_same_in_every_block():
    found = trace("vit", scale={"depth": 3}).groups("module")
    hidden = {name: ts for name, ts in found.items() if ts[0].role == "hidden"}
    parts = [f"attention.{part}" for part in ("query", "key", "value", "out")]
    assert list(hidden) == [*parts, "up", "down"]
    assert all(len(tensors) == 3 for tensors in hidden.values())


def test_heads_of_vit_widen_attention_alone():
    growth = {t.name: t.growth["heads"] for t in trace("vit", axis="heads").tensors}
    growing = {name: powers for name, powers in growth.items() if any(powers)}
    assert growing["blocks.0.attention.query.weight"] == (1, 0)
    assert growing["blocks.0.attention.out.weight"] == (0, 1)
    assert all("attention" in name for name in growing)


@pytest.mark.parametrize(
    ("name", "settings", "dims", "message"),
    [
        ("uv", {"p": 1.5}, IMAGES, "p must lie between 0 and 1; received 1.5"),
        ("convnet", {}, IMAGES | {"inputs": 63}, "63 inputs are no square image of 1 channel"),
        ("resnet", {}, IMAGES | {"channels": 3}, "64 inputs are no square image of 3 channel"),
        ("vit", {}, IMAGES | {"inputs": 65}, "65 inputs are no square image of 1 channel"),
        ("resnet", {"groups": 3}, IMAGES, r"num_channels \(16\) must be divisible by num_groups"),
        ("vit", {"patch": 3}, IMAGES, "patch must divide the image's side 8; received 3"),
        ("vit", {"heads_per_width": 5}, IMAGES, "must divide width 32; received 5"),
        ("gnn", {}, GRAPHS | {"nodes": 4}, r"nodes \* \(nodes \+ features\); received 54 for 4"),
        ("gnn", {}, GRAPHS | {"inputs": 36}, "received 36 for 6 nodes"),
    ],
)
def test_what_does_not_fit_is_said(name, settings, dims, message):
    with pytest.raises(ValueError, match=message):
        load_arch(name, settings).model(dims)


def test_choices_are_checked():
    with pytest.raises(ParamsearchError, match="pool: received 'last'; allowed: 'class' or 'mean'"):
        load_arch("vit", {"pool": "last"})
