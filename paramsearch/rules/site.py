"""One line of a rule about sites: places of a model that are no tensors, and their multiplier."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import Literal

from pydantic import Field

from paramsearch.rules.equivalence import signatures
from paramsearch.rules.group import ByAxis, Frozen, Group
from paramsearch.tracing.tensor import Fold, TensorInfo


class SiteMatch(Frozen):
    """Which sites are meant.

    Attributes:
        site: ``branch``, where a residual branch joins its stream; ``logits``, a product q.k
            before its softmax; or ``readout``, a product with the tensor of the embedding (a
            readout with a tensor of its own is no site: a group speaks of the tensor).
        name: Pattern for the path of the module in which it lies; any module if left out.

    Example:
        >>> SiteMatch(site="branch", name="blocks.*").accepts(Fold("branch", "blocks.3"))
        True
    """

    site: Literal["branch", "logits", "readout"]
    name: str | None = None

    def accepts(self, fold: Fold) -> bool:
        """Say whether the site of a fold is meant."""
        return self.site == fold.kind and (self.name is None or fnmatchcase(fold.module, self.name))


class SiteGroup(Frozen):
    """Sites that share an exponent.

    What is stated holds whatever the model's own code does there; along an axis that is not
    stated, the code decides.

    Attributes:
        match: Which sites.
        multiplier: Axis -> power of the ratio: of a branch before the sum; of a tied readout on
            its product; of logits beyond ``1 / sqrt(d)``, in units of the growth of d, the size of
            a head.

    Example:
        >>> SiteGroup(match=SiteMatch(site="branch"), multiplier={"depth": -1}).multiplier
        {'depth': -1.0}
    """

    match: SiteMatch
    multiplier: ByAxis = Field(min_length=1)


def stated_at(sites: Sequence[SiteGroup], fold: Fold) -> ByAxis:
    """Give what the first matching line states about the site of a fold; empty if none matches."""
    nothing: ByAxis = {}
    return next((site.multiplier for site in sites if site.match.accepts(fold)), nothing)


def sites_on_axis(sites: Iterable[SiteGroup], axis: str) -> tuple[SiteGroup, ...]:
    """Give what lines about sites say of one axis; lines that say nothing of it are left out."""
    return tuple(
        site.model_copy(update={"multiplier": {axis: site.multiplier[axis]}})
        for site in sites
        if axis in site.multiplier
    )


def same_sites(
    mine: Sequence[SiteGroup], theirs: Sequence[SiteGroup], axes: Iterable[str], tol: float
) -> bool:
    """Say whether two rules agree on the kinds of sites of which both speak.

    Args:
        mine: What one rule says of sites.
        theirs: What the other says.
        axes: Along which axes.
        tol: By how much exponents may differ.

    Example:
        >>> one = SiteGroup(match=SiteMatch(site="branch"), multiplier={"depth": -1})
        >>> other = SiteGroup(match=SiteMatch(site="branch"), multiplier={"depth": -0.5})
        >>> same_sites([one], [other], ["depth"], 0.1), same_sites([one], [], ["depth"], 0.1)
        (False, True)
    """
    axes = list(axes)
    names = [site.match.name for site in (*mine, *theirs) if site.match.name is not None]
    spoken = [{site.match.site for site in sites} for sites in (mine, theirs)]
    for kind, accepted in product(sorted(spoken[0] & spoken[1]), signatures(names)):
        one, other = (_stated_of(sites, kind, accepted) for sites in (mine, theirs))
        if any(abs(one.get(axis, 0.0) - other.get(axis, 0.0)) > tol for axis in axes):
            return False
    return True


def _stated_of(sites: Sequence[SiteGroup], kind: str, accepted: frozenset[str]) -> dict[str, float]:
    """Give what is stated of a kind of site in a module whose path these patterns accept."""
    for site in sites:
        if site.match.site == kind and (site.match.name is None or site.match.name in accepted):
            return site.multiplier
    return {}


def effective(group: Group, sites: Sequence[SiteGroup], tensor: TensorInfo) -> Group:
    """Give the exponents of a tensor, with the multipliers of the sites that fold onto it.

    Args:
        group: What the rule says of the tensor itself.
        sites: What it says of sites.
        tensor: The tensor.

    Example:
        >>> from paramsearch.rules.group import Match
        >>> sites = [SiteGroup(match=SiteMatch(site="branch"), multiplier={"depth": -0.5})]
        >>> folds = (Fold("branch", "blocks.0"),)
        >>> end = TensorInfo("w", (8,), "add", "vector", 1, 8, {}, True, "vector", sites=folds)
        >>> effective(Group(match=Match(role="vector")), sites, end).multiplier
        {'depth': -0.5}
    """
    total = dict(group.multiplier)
    for fold in tensor.sites:
        for axis, value in stated_at(sites, fold).items():
            added = 0.0 if fold.refusal else fold.exponent(value, axis)
            if added:
                total[axis] = total.get(axis, 0.0) + added
    return group if total == group.multiplier else group.model_copy(update={"multiplier": total})


def refusal(sites: Sequence[SiteGroup], tensors: Iterable[TensorInfo]) -> str:
    """Say where a multiplier is asked for that no tensor can take, and what to write there.

    Args:
        sites: What a rule says of sites.
        tensors: Of a model.

    Returns:
        Part of a sentence; empty if every multiplier can be folded, or is there already.
    """
    for tensor in tensors:
        for fold in tensor.sites:
            for axis, value in stated_at(sites, fold).items():
                if fold.refusal and fold.exponent(value, axis):
                    return f"{cannot(fold)}; write `{line(fold, axis, value)}` there"
    return ""


def cannot(fold: Fold) -> str:
    """Say that a site's multiplier cannot be folded, and why.

    Example:
        >>> cannot(Fold("branch", "h.0", refusal="it ends in a softmax"))
        "the branch's multiplier in module 'h.0' cannot be folded: it ends in a softmax"
    """
    names = {"branch": "branch's", "logits": "logits'", "readout": "tied readout's"}
    where = f"in module '{fold.module}'" if fold.module else "in the model itself"
    return f"the {names[fold.kind]} multiplier {where} cannot be folded: {fold.refusal}"


def line(fold: Fold, axis: str, value: float) -> str:
    """Give the line of code that does by itself what the rule states of a site.

    Args:
        fold: The site.
        axis: The axis.
        value: The exponent stated.

    Example:
        >>> line(Fold("branch"), "depth", -1.0)
        'x = x + (depth / base_depth) ** -1 * branch(x)'
    """
    if fold.kind == "branch":
        return f"x = x + ({axis} / base_{axis}) ** {value:g} * branch(x)"
    if fold.kind == "readout":
        return f"logits = readout(x * ({axis} / base_{axis}) ** {value:g})"
    return f"scores = q @ k.mT * size ** -0.5 * (size / base_size) ** {value:g}"
