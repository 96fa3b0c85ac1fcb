"""What members compute on the evaluation batch: the output of every operation on a parameter."""

from paramsearch.probes.capture import Capture
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment


def outputs(moment: Moment) -> Tensors:
    """Run all members on the evaluation batch and catch every tensor's output.

    Args:
        moment: The members as they are.

    Returns:
        Parameter name -> output of the operation that consumes it, (members, ...).
    """
    inputs, _ = moment.workload.evaluation()

    def one(params: Tensors) -> Tensors:
        with Capture(params) as capture:
            moment.workload.output(params, inputs)
        return capture.outputs

    return moment.workload.backend.each(one, (0,))(moment.stack.effective(moment.params))
