"""Evaluations with known losses and power laws of the feature change, and rules to go with them."""

from paramsearch.discovery.answers.front import Front, entries, front
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.rules.group import Group, Match
from paramsearch.rules.rule import Rule

RATIOS = (1, 2, 4)
NOISE = (0.0, 0.003, -0.003, 0.002)  # of the seeds, the same for every rule


def evaluation(loss=0.0, hidden=0.0, output=0.0, noise=NOISE, own=0.0, first=None):
    """A transferred log loss, and slopes of the hidden and output layers' feature change.

    ``own`` is noise that the rule does not share with others; ``first`` gives, by group, the share
    of the first step at the base and its slope.
    """
    losses = [loss + shared + own * (-1) ** k for k, shared in enumerate(noise)]
    curves = []
    for ratio in RATIOS:
        probes = {
            f"{probe}/{group}": [2.0 * ratio ** (power + shared) for shared in noise]
            for probe in ("feature_change", "update_share", "signal")
            for group, power in {"input": 0.0, "hidden": hidden, "output": output}.items()
        }
        for group, (share, power) in (first or {}).items():
            values = [share * ratio ** (power + shared) for shared in noise]
            probes[f"first_share/{group}"] = values
        curves.append(
            {
                "scale": 32 * ratio,
                "ratio": float(ratio),
                "lrs": [0.01],
                "losses": [[2.718281828459045**value for value in losses]],
                "survived": [[1.0] * len(noise)],
                "center": 0,
                "sharpness_steps": [],
                "sharpness": [],
                "probes": probes,
            }
        )
    terms = {"loss": sum(losses) / len(losses)}
    return Evaluation(terms["loss"], 0.0, tuple(losses), terms, curves)


def rule(lr):
    """A rule for everything, told apart by its learning rate."""
    group = Group(match=Match(name="*"), lr={"width": lr})
    return Rule(name="trial", optimizer="adam", axes=("width",), groups=(group,))


def front_of(**named) -> Front:
    """The front of rules given by loss and hidden slope, or by their evaluation."""
    evaluated = [
        (name, rule(-float(k)), e if isinstance(e, Evaluation) else evaluation(*e))
        for k, (name, e) in enumerate(named.items())
    ]
    return front(entries(evaluated, [1.0] * len(RATIOS)))
