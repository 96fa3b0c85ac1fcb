"""The graph of tensors as Graphviz text: ``dot -Tsvg graph.dot -o graph.svg``."""

from paramsearch.report.palette import ROLE_COLOURS
from paramsearch.tracing.trace import Trace


def dot_text(trace: Trace) -> str:
    """Write the graph of a trace in Graphviz's language.

    A tensor is a box with its shape and group, coloured by role; sums and products are circles,
    with a thick border where they carry a residual stream.

    Args:
        trace: The trace.

    Returns:
        The text of a ``.dot`` file.

    Example:
        >>> from paramsearch.tracing.trace import trace
        >>> print(dot_text(trace("mlp")).splitlines()[0])
        digraph "mlp" {
    """
    tensors = {tensor.name: tensor for tensor in trace.tensors}
    lines = [f"digraph {_quoted(trace.arch)} {{"]
    lines += ["  rankdir=TB;", '  node [fontname="Helvetica", fontsize=10];']
    for name in trace.graph:
        attributes = trace.graph.nodes[name]
        if name in tensors:
            tensor = tensors[name]
            shape = " x ".join(map(str, tensor.shape)) or "1"
            style = f'shape=box, style="rounded,filled", fillcolor="{ROLE_COLOURS[tensor.role]}"'
            label = _quoted(f"{name}\n{shape}\n{tensor.group}")
        elif attributes["kind"] in ("add", "mul"):
            width = 3 if attributes["stream"] else 1
            style = f"shape=circle, margin=0, penwidth={width}"
            label = _quoted({"add": "+", "mul": "*"}[attributes["kind"]])
        else:
            style, label = "shape=plaintext", _quoted(name)
        lines.append(f"  {_quoted(name)} [label={label}, {style}];")
    lines += [f"  {_quoted(a)} -> {_quoted(b)};" for a, b in trace.graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
