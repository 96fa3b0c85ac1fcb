"""The quickstart's rule on scales it never saw, beside muP and the standard parameterization.

Searches blind (or takes a finished run), verifies at 4 x and 16 x the largest searched width, and
prints what the project promises of it: regret at most muP's plus its seed spread, at most a
quarter of the standard parameterization's, optimum drift under half an octave where the standard
one drifts by more than two.

Run: ``python benchmarks/quickstart.py`` (about ten minutes), or with ``--run runs/quickstart``.
"""

import argparse
from pathlib import Path

import paramsearch


def main() -> None:
    """Search, verify, and print figures and promises."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a finished run; default: search now")
    parser.add_argument("--scales", default="512,2048")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart-benchmark"))
    asked = parser.parse_args()
    run = asked.run
    if run is None:
        run = paramsearch.search("mlp", axis="width", blind=True, out=asked.out).folder
    scales = [int(scale) for scale in asked.scales.split(",")]
    options = {"seeds": asked.seeds, "out": asked.out, "yes": True}
    found = paramsearch.verify(run, scales, ("sp", "mup"), **options)
    rules = found.certificate["rules"]
    name = found.certificate["rule"]
    print(found.sentence)
    for scale in map(str, scales):
        ours, sp, mup = (rules[rule]["scales"][scale] for rule in (name, "sp", "mup"))
        for label, entry in ((name, ours), ("sp", sp), ("mup", mup)):
            print(
                f"width {scale:>5s} {label:16s} best {entry['best_loss']:.4f}  transferred "
                f"{entry['transferred_loss']:.4f}  regret {entry['regret']:.4f} "
                f"+- {entry['regret_spread']:.4f}"
            )
        promise = ours["regret"] <= mup["regret"] + mup["regret_spread"]
        quarter = ours["regret"] <= sp["regret"] / 4
        print(
            f"width {scale:>5s} regret at most muP's plus spread: {promise}; at most sp / 4: ",
            end="",
        )
        print(f"{quarter} (ratio {sp['regret'] / max(ours['regret'], 1e-12):.1f})")
    for label in (name, "sp", "mup"):
        entry = rules[label]
        print(
            f"{label:16s} optimum drifts {entry['drift_octaves']:.2f} octaves over the range, "
            f"{entry['drift_per_decade']:+.2f} per decade"
        )


if __name__ == "__main__":
    main()
