"""The benchmark's models in JAX, each as one ``jit(vmap(...))`` training step with Adam.

Written as a JAX user would write them: parameters in a dictionary, a member dimension in front,
buffers donated. JAX is needed by these benchmarks alone.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, Any]
HEADS = 2


def mlp(params: Params, x: Any) -> Any:
    """Logits (batch, outputs) of ``archs/mlp.py`` at depth 3."""
    h = jax.nn.relu(x @ params["input.weight"].T + params["input.bias"])
    h = jax.nn.relu(h @ params["hidden.0.weight"].T + params["hidden.0.bias"])
    return h @ params["readout.weight"].T + params["readout.bias"]


def norm(x: Any, gain: Any) -> Any:
    """Layer norm without a bias."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain


def gpt(params: Params, tokens: Any) -> Any:
    """Logits (batch, context, vocabulary) of ``archs/gpt.py`` at depth 2, as it comes."""
    batch, context = tokens.shape
    x = params["embed.weight"][tokens] + params["position.weight"][:context]
    mask = jnp.where(jnp.tril(jnp.ones((context, context))) > 0, 0.0, -jnp.inf)
    for block in ("blocks.0", "blocks.1"):
        h = norm(x, params[f"{block}.attention_norm.weight"])
        q, k, v = (
            (h @ params[f"{block}.attention.{part}.weight"].T)
            .reshape(batch, context, HEADS, -1)
            .swapaxes(1, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(-1, -2) * (4 / q.shape[-1]) + mask
        mixed = (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(batch, context, -1)
        x = x + mixed @ params[f"{block}.attention.out.weight"].T
        h = norm(x, params[f"{block}.mlp_norm.weight"])
        up = jax.nn.gelu(h @ params[f"{block}.mlp.up.weight"].T, approximate=False)
        x = x + up @ params[f"{block}.mlp.down.weight"].T
    return norm(x, params["norm.weight"]) @ params["readout.weight"].T


MODELS: dict[str, Callable[[Params, Any], Any]] = {"mlp": mlp, "gpt": gpt}


class Run:
    """A population in JAX that starts from the same parameters as ours.

    Args:
        model: ``"mlp"`` or ``"gpt"``.
        params: Name -> values (members, *shape).
        lrs: Learning rate of each member, (members,).
    """

    def __init__(self, model: str, params: dict[str, np.ndarray], lrs: np.ndarray) -> None:
        apply = MODELS[model]

        def loss(params: Params, x: Any, y: Any) -> Any:
            logs = jax.nn.log_softmax(apply(params, x))
            return -jnp.take_along_axis(logs, y[..., None], -1).mean()

        gradients = jax.vmap(jax.value_and_grad(loss), in_axes=(0, None, None))

        def step(params: Params, m: Params, v: Params, lr: Params, x: Any, y: Any, t: Any) -> Any:
            losses, g = gradients(params, x, y)
            m = {k: 0.9 * m[k] + 0.1 * g[k] for k in g}
            v = {k: 0.999 * v[k] + 0.001 * g[k] ** 2 for k in g}
            first, root = 1 - 0.9**t, jnp.sqrt(1 - 0.999**t)
            new = {k: params[k] - lr[k] / first * m[k] / (jnp.sqrt(v[k]) / root + 1e-8) for k in g}
            return new, m, v, losses

        self._step = jax.jit(step, donate_argnums=(0, 1, 2))
        self._params = {name: jnp.asarray(value) for name, value in params.items()}
        self._m = {name: jnp.zeros_like(value) for name, value in self._params.items()}
        self._v = {name: jnp.zeros_like(value) for name, value in self._params.items()}
        self._lr = {
            name: jnp.asarray(lrs).reshape(-1, *(1 for _ in value.shape[1:]))
            for name, value in self._params.items()
        }
        self._count = 0

    def train(self, batches: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Make one step per batch; gives the losses before each, (steps, members)."""
        history = []
        for x, y in batches:
            self._count += 1
            state = (self._params, self._m, self._v, self._lr)
            found = self._step(*state, jnp.asarray(x), jnp.asarray(y), float(self._count))
            self._params, self._m, self._v, losses = found
            history.append(losses)
        return np.stack([np.asarray(losses) for losses in history])

    def compile_seconds(self, batch: tuple[np.ndarray, np.ndarray]) -> float:
        """Compile the step afresh, and give the time that it takes."""
        began = time.perf_counter()
        state = (self._params, self._m, self._v, self._lr)
        self._step.lower(*state, jnp.asarray(batch[0]), jnp.asarray(batch[1]), 1.0).compile()
        return time.perf_counter() - began
