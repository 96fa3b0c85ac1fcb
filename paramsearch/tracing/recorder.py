"""Record the dataflow of a running model, op by op, under autograd's own decompositions.

Every tensor is either a constant, a function of parameters alone (`Pure`: it carries the
parameters' dimensions), or an activation (it carries the node of the dataflow that made it).
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from paramsearch.tracing.consumers import (
    LAYERS,
    OURS,
    PRODUCTS,
    called,
    chooses,
    guessed_sum,
    is_fresh,
    is_recurrent,
    merge_kind,
    norms_channels,
    summed_by_layer,
)
from paramsearch.tracing.dims import (
    NOTHING,
    along_channels,
    contract,
    copied,
    follow,
    size_of,
    union,
    whole,
)
from paramsearch.tracing.memory import Memory
from paramsearch.tracing.operand import Operand, Value, any_active, chosen
from paramsearch.tracing.recording import Node, Recording, Use
from paramsearch.tracing.source import caller
from paramsearch.tracing.translate import translate
from paramsearch.tracing.watch import Watch


class Recorder(TorchDispatchMode):
    """A context in which a model runs and is recorded."""

    supports_higher_order_operators = True

    def __init__(self, model: nn.Module, inputs: Any):
        """Know the parameters and the inputs of the model; every tensor of the inputs counts."""
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._watch = Watch(model, self._as_data, self._as_result)
        self._shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        self._memory: Memory[Value] = Memory()
        self._nodes = [Node("input")]
        self._uses: dict[str, list[Use]] = {}
        for name, parameter in model.named_parameters():
            self._memory.set(parameter, dict[str, Any]({name: whole(parameter.shape)}))
        for tensor in tree_leaves(inputs):
            if isinstance(tensor, Tensor):
                self._memory.set(tensor, 0)

    def __enter__(self) -> "Recorder":
        """Watch which module runs."""
        self._watch.start()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop watching."""
        super().__exit__(*error)  # pyright: ignore[reportUnknownMemberType]
        self._watch.stop()

    def _as_data(self, value: Tensor) -> Tensor:
        """Make a learned query or state that enters a layer an activation, as it is data there."""
        known = Operand(self._memory.get(value), tuple(value.shape))
        if not known.pure:
            return value
        data = value.clone()  # the parameter itself stays one
        self._memory.set(data, self._start(known))
        return data

    def _as_result(self, entered: Sequence[Tensor], left: Sequence[Tensor]) -> None:
        """Make what a module returns an activation where none of its ops could be recorded."""
        unknown = [t for t in left if t.requires_grad and self._memory.get(t) is None]
        known = [Operand(self._memory.get(t), tuple(t.shape)) for t in entered if unknown]
        value = self._blend("module", known) if any_active(*known) else None
        if value is not None:
            for tensor in unknown:
                self._memory.set(tensor, value)

    def _start(self, operand: Operand) -> int:
        """Begin a stream with a function of parameters."""
        return self._consume(operand, "add", NOTHING, NOTHING, Operand(None, ()))

    def finish(self, loss: Tensor) -> Recording:
        """Close the recording with the node of the loss."""
        value = self._memory.get(loss)
        parents = (value,) if isinstance(value, int) else ()
        return Recording((*self._nodes, Node("loss", op="loss", parents=parents)), self._uses)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one aten op, then note what its results are."""
        out = func(*args, **(kwargs or {}))
        foreign = func.namespace not in OURS
        op: str = func.__name__.partition(".")[0]
        in_place = op.endswith("_") and bool(func._schema.is_mutable)
        op = op[:-1] if in_place else op
        inside: list[Any] = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in inside if isinstance(leaf, Tensor)]
        operands = [Operand(self._memory.get(t), tuple(t.shape)) for t in tensors]
        if is_fresh(op) or all(operand.value is None for operand in operands):
            return out
        target = tensors[0] if in_place else None
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        beneath = None if target is None else self._memory.beneath(target)
        node: int | None = None
        for result in results:
            value = node
            if node is None:
                apply = self._foreign if foreign else self._apply
                value = apply(op, args, operands, tuple(result.shape))
                node = value if isinstance(value, int) else None
            if value is None:
                continue
            if target is None:
                self._memory.set(result, value)
            else:
                known = [Operand(v, tuple(target.shape)) for v in (beneath, value)]
                self._memory.write(target, self._blend("copy", known) or value)
        return out

    def _apply(
        self, op: str, args: tuple[Any, ...], operands: Sequence[Operand], out: tuple[int, ...]
    ) -> Value | None:
        """Say what the first result of an op is."""
        if op in PRODUCTS:
            places = PRODUCTS[op]
            product = self._product(op, operands[places.left], operands[places.right], out)
            if places.added is None:
                return product
            return self._blend("add", [Operand(product, out), operands[places.added]], "linear")
        active = any_active(*operands)
        if operands[0].pure and chooses(op, args, operands[0].shape):
            return chosen(operands[0], len(args[1]), len(out))
        if op in LAYERS and operands[LAYERS[op].weight].pure and (active or op == "embedding"):
            return self._layer(op, args, operands)
        if is_recurrent(op) and active:
            return self._recurrent(op, operands)
        if active:
            if op == "copy":  # the old content is gone
                operands = operands[1:]
            return self._blend(op, operands)
        pures = [(operand.pure, operand.shape) for operand in operands if operand.pure]
        if len(pures) == 1 and len(operands) == 1:
            pure, shape = pures[0]
            return {name: follow(op, args, dims, shape, out) for name, dims in pure.items()}
        stacked = (args[1] if len(args) > 1 else 0) % len(out) if op == "stack" else None
        if norms_channels(op):
            pures = [(along_channels(pure, len(out)), shape) for pure, shape in pures]
        return dict(union(pures, out, stacked))

    def _foreign(
        self, op: str, args: tuple[Any, ...], operands: Sequence[Operand], out: tuple[int, ...]
    ) -> Value | None:
        """Guess from shapes what an op does that torch does not define."""
        active = [operand for operand in operands if isinstance(operand.value, int)]
        value = self._blend(op, active or operands)
        for operand in operands if active else ():
            if operand.pure:
                summed = guessed_sum(operand.shape, active[0].shape, out)
                name = "linear" if summed else op
                value = self._consume(operand, name, summed, NOTHING, Operand(value, ()))
        return value

    def _product(
        self, op: str, left: Operand, right: Operand, out: tuple[int, ...]
    ) -> Value | None:
        """Multiply matrices: of parameters, of a parameter and an activation, or of activations."""
        if left.pure is None and right.pure is None and not any_active(left, right):
            return None
        if left.pure and right.pure:  # one may be data: learned queries, a first state
            if copied(left.pure, left.shape, self._shapes):
                left = Operand(self._start(left), left.shape)
            elif copied(right.pure, right.shape, self._shapes):
                right = Operand(self._start(right), right.shape)
        # A constant matrix (one-hot, first state) is data; a constant vector, of a spectral norm.
        alone = not any_active(left, right) and (left.pure is None or right.pure is None)
        if not any_active(left, right) and not (alone and len(out) > 1):
            return dict(contract(left.pure, right.pure, out))
        for operand, is_left in ((left, True), (right, False)):
            if operand.pure:
                rank = len(operand.shape)
                summed = frozenset({rank - 1 if is_left else max(rank - 2, 0)})
                copies = frozenset({0}) if rank == 3 else NOTHING
                other = right if is_left else left
                return self._consume(operand, "linear", summed, copies, other)
        return self._blend(op, [left, right])

    def _layer(self, op: str, args: tuple[Any, ...], operands: Sequence[Operand]) -> Value | None:
        """Apply a whole layer: weight, then bias."""
        layer = LAYERS[op]
        weight = operands[layer.weight]
        rest = [o for i, o in enumerate(operands) if i not in (layer.weight, layer.bias)]
        active = [o for o in rest if isinstance(o.value, int)]
        joined = Operand(self._blend(op, active), ()) if active else Operand(None, ())
        summed = summed_by_layer(op, args, len(weight.shape))
        value = self._consume(weight, layer.op, summed, NOTHING, joined)
        if layer.bias is not None and len(operands) > layer.bias:
            value = self._blend("add", [Operand(value, ()), operands[layer.bias]], layer.op)
        return value

    def _recurrent(self, op: str, operands: Sequence[Operand]) -> Value | None:
        """Apply a whole recurrent layer: every matrix sums over its last dimension."""
        active = [o for o in operands if isinstance(o.value, int)]
        value = self._blend(op, active)
        for operand in operands:
            if operand.pure:
                summed = frozenset({1}) if len(operand.shape) == 2 else NOTHING
                value = self._consume(operand, "linear", summed, NOTHING, Operand(value, ()))
        return value

    def _blend(self, op: str, operands: Sequence[Operand], label: str = "") -> Value | None:
        """Join activations, then let parameters act on them element by element."""
        active = [o for o in operands if isinstance(o.value, int)]
        pures = [o for o in operands if o.pure]
        if not active:
            return dict(union([(o.pure or {}, o.shape) for o in pures], operands[0].shape)) or None
        parents = tuple(dict.fromkeys(o.value for o in active if isinstance(o.value, int)))
        value: Value = parents[0]
        if len(parents) > 1:
            shapes = {o.shape for o in active}
            same = op in ("add", "sub") and len(shapes) == 1 and size_of(*_all(active[0].shape)) > 1
            value = self._add(Node(merge_kind(op), "", op, parents=parents, same_shape=same))
        for operand in pures:
            label = label or called(op)
            value = self._consume(operand, label, NOTHING, NOTHING, Operand(value, ()))
        return value

    def _consume(
        self,
        operand: Operand,
        op: str,
        summed: frozenset[int],
        copies: frozenset[int],
        entering: Operand,
    ) -> int:
        """Let a function of parameters act on an activation: one use and one node for each."""
        pure, shape = operand.pure or {}, operand.shape
        used = Use(op, summed, NOTHING, copies, 1, 1)  # in dimensions of the operand
        uses = [
            (name, translate(used, dims, shape, self._shapes[name], len(pure) > 1))
            for name, dims in pure.items()
        ]
        # Of a product of parameters, the one that sums over the activation acts first, gains last.
        uses.sort(key=lambda u: (not u[1].summed, not any(pure[u[0]][i] for i in summed)))
        value = entering.value
        for name, use in uses:
            self._uses.setdefault(name, []).append(use)
            parents = (value,) if isinstance(value, int) else ()
            value = self._add(Node("parameter", name, use.op, parents=parents))
        assert isinstance(value, int)
        return value

    def _add(self, node: Node) -> int:
        """Append a node, with the place in the user's code and model where it happens."""
        place = self._watch.module, caller()
        self._nodes.append(
            Node(node.kind, node.name, node.op, *place, node.parents, node.same_shape)
        )
        return len(self._nodes) - 1


def _all(shape: tuple[int, ...]) -> tuple[tuple[int, ...], frozenset[int]]:
    return shape, frozenset(range(len(shape)))
