"""What a candidate that was measured at a stage alone would score on the whole objective."""

from dataclasses import replace

from paramsearch.discovery.evaluation import Evaluation


def completed(part: Evaluation, rival: Evaluation, rival_part: Evaluation) -> Evaluation:
    """Estimate the whole score of what stopped: later stages add what they add for the rival.

    Args:
        part: At a stage, which stays that of the result.
        rival: The whole evaluation of the rival, on these seeds first.
        rival_part: The rival at the same stage, on the same seeds.

    Example:
        >>> best = Evaluation(0.5, 0.0, (0.25, 0.75), {}, [])
        >>> at_stage = Evaluation(0.25, 0.0, (0.0, 0.5), {}, [])
        >>> completed(Evaluation(0.5, 0.0, (0.5, 0.5), {}, []), best, at_stage).per_seed
        (0.75, 0.75)
    """
    triples = zip(part.per_seed, rival.per_seed, rival_part.per_seed, strict=False)
    per_seed = tuple(own + whole - known for own, whole, known in triples)
    return replace(part, score=part.score + rival.score - rival_part.score, per_seed=per_seed)
