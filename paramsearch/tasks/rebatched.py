"""A task with another number of examples in its batches: the same stream, cut elsewhere."""

import torch

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.task import Batch, Task


def batch_size(task: Task) -> int:
    """Give the number of examples in a training batch.

    Example:
        >>> from paramsearch.tasks.teacher import Teacher
        >>> batch_size(Teacher(batch=8))
        8
    """
    return len(task.batch(0)[0])


def with_batch(task: Task, size: int) -> Task:
    """Give a task with batches of another size; called once per scale where that is an axis.

    Args:
        task: Any task.
        size: Examples in a training batch, at least 1.

    Returns:
        The task itself if it has such batches; else one whose training examples are the same
        stream, cut into batches of that size. Evaluation and loss are those of the task.

    Raises:
        ParamsearchError: The size is below 1.

    Example:
        >>> from paramsearch.tasks.teacher import Teacher
        >>> small = Teacher(batch=8)
        >>> inputs, _ = with_batch(small, 16).batch(1)
        >>> bool((inputs[8:] == small.batch(3)[0]).all())
        True
    """
    if size < 1:
        raise ParamsearchError(f"batch: received {size}; allowed: at least 1 example")
    return task if size == batch_size(task) else Rebatched(task, size)


class Rebatched(Task):
    r"""Cut the stream of a task into batches of another size.

    With b examples in the task's own batches, the batch of size B at step s holds the examples
    :math:`sB, \dots, sB + B - 1` of the stream, where example i is example i mod b of the task's
    batch of step i div b. So t steps of k b examples see what k t steps of b examples see.

    Attributes:
        name: That of the task.
        dims: Those of the task.
        loss_floor: That of the task.
    """

    def __init__(self, task: Task, size: int) -> None:
        """Take a task whose batches are all of one size, and the size that is wanted."""
        self.name, self.dims, self.loss_floor = task.name, task.dims, task.loss_floor
        self._task, self._size, self._own = task, size, batch_size(task)

    def batch(self, step: int) -> Batch:
        """Give the examples of one step, from as many of the task's batches as hold them."""
        first, skipped = divmod(step * self._size, self._own)
        last = ((step + 1) * self._size - 1) // self._own
        parts = [self._task.batch(index) for index in range(first, last + 1)]
        rows = slice(skipped, skipped + self._size)
        inputs, targets = (torch.cat(side)[rows] for side in zip(*parts, strict=True))
        return inputs, targets

    def evaluation(self) -> Batch:
        """Give the evaluation batch of the task, whatever the size of training batches."""
        return self._task.evaluation()

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Give the loss of the task."""
        return self._task.loss(output, target)

    def with_vocabulary(self, size: int) -> Task:
        """Give the task with another number of tokens, in batches of the same size."""
        return with_batch(self._task.with_vocabulary(size), self._size)
