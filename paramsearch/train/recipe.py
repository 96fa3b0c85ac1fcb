"""What every member of a population is trained by, and how the engine goes about it."""

from dataclasses import dataclass

from paramsearch.errors import unknown_name
from paramsearch.train.optimizers.table import EPS
from paramsearch.train.schedule import Schedule

BACKENDS = ("auto", "stacked", "loop")
PRECISIONS = ("float32", "tf32", "bf16")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How every member of a population is trained: what its result depends on.

    Attributes:
        optimizer: Name of the optimizer, or ``module:Class``.
        steps: Number of updates.
        weight_decay: Weight decay at the base scale, as in ``torch.optim``.
        eps: Adam's epsilon at the base scale.
        schedule: Factor of the learning rate over the steps.
        clip: Largest norm of a member's whole gradient, as ``clip_grad_norm_``; None for no limit.
    """

    optimizer: str
    steps: int
    weight_decay: float = 0.0
    eps: float = EPS
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen
    clip: float | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """How a user wants models to be trained, whatever is trained.

    Attributes:
        backend: ``"auto"`` for what the model allows, ``"stacked"`` for members side by side,
            ``"loop"`` for one after the other.
        precision: Of matrix products: ``"tf32"`` rounds their operands on GPUs that can, and
            ``"bf16"`` computes in bfloat16 where that is safe. Parameters stay in float32.
        compile: Whether steps are compiled; None where that pays.

    Raises:
        ParamsearchError: A value that is not allowed.
    """

    backend: str = "auto"
    precision: str = "float32"
    compile: bool | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        for kind, name, known in (
            ("backend", self.backend, BACKENDS),
            ("precision", self.precision, PRECISIONS),
        ):
            if name not in known:
                raise unknown_name(kind, name, known)


@dataclass(frozen=True, slots=True)
class Execution:
    """How the engine goes about it; results agree to rounding whatever is chosen.

    Attributes:
        compile: Whether the step is compiled; None compiles where the work ahead repays it.
        work: Member-steps ahead with the same model, optimizer and probes, by which that is
            decided; None counts those of this population alone.
        chunk: Members trained at once; None measures how many fit.
    """

    compile: bool | None = None
    work: int | None = None
    chunk: int | None = None
