"""What a space leaves free at sites, and how that is laid over a model."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from paramsearch.errors import ParamsearchError
from paramsearch.rules.choice import Choice
from paramsearch.rules.encoding import SitePlace
from paramsearch.rules.group import Frozen
from paramsearch.rules.matching import Groups
from paramsearch.rules.site import SiteMatch, cannot
from paramsearch.rules.variable import Variable
from paramsearch.tracing.tensor import Fold, TensorInfo


class SpaceSite(Frozen):
    """What is free for the sites of one match.

    Attributes:
        match: Which sites.
        multiplier: Axis -> choice of the exponent, as a rule states it.
    """

    match: SiteMatch
    multiplier: dict[str, Choice] = Field(min_length=1)


def site_places(sites: Sequence[SpaceSite], groups: Groups) -> list[SitePlace]:
    """Lay what a space says of sites over the sites of a model; lines that fit none are left out.

    Args:
        sites: What the space says.
        groups: Of the model.

    Returns:
        One place per line that fits a site, each site at the first line that does.

    Raises:
        ParamsearchError: A site whose multiplier no tensor can take.
    """
    taken: dict[int, list[tuple[str, Fold]]] = {}
    for tensor in _tensors(groups):
        for fold in tensor.sites:
            found = next((i for i, site in enumerate(sites) if site.match.accepts(fold)), None)
            if found is not None:
                taken.setdefault(found, []).append((tensor.name, fold))
    places: list[SitePlace] = []
    for index, pairs in sorted(taken.items()):
        folds = tuple(fold for _, fold in pairs)
        site = sites[index]
        reached = {a: c for a, c in site.multiplier.items() if any(f.reach(a) for f in folds)}
        refused = next((fold for fold in folds if fold.refusal), None)
        if reached and refused:
            raise ParamsearchError(f"{cannot(refused)}; leave it out of the space's sites")
        fixed = {axis: choice.start for axis, choice in reached.items() if choice.fixed}
        label = _label(site.match, groups)
        places.append(SitePlace(label, site.match, tuple(n for n, _ in pairs), folds, fixed))
    return places


def site_variables(
    sites: Sequence[SpaceSite], places: Iterable[SitePlace]
) -> list[tuple[Variable, str | None]]:
    """Give the free exponents of sites, each with its tie; an axis on which none acts is left out.

    Args:
        sites: What the space says.
        places: As ``site_places`` gives them.
    """
    choices = {site.match: site.multiplier for site in reversed(sites)}
    return [
        (Variable(place.label, "multiplier", axis, c.low, c.high, c.step, c.start), c.tie)
        for place in places
        for axis, c in choices[place.match].items()
        if not c.fixed and any(fold.reach(axis) for fold in place.folds)
    ]


def check_gauge(places: Iterable[SitePlace], variables: Sequence[Variable], groups: Groups) -> None:
    """Refuse a site's multiplier that only repeats what init and LR of its own tensors can do.

    Args:
        places: Sites of the model.
        variables: All that is free.
        groups: Of the model.

    Raises:
        ParamsearchError: The tensors that take the multiplier, of all sites that are tied, are
            whole groups, and init and lr are free for all of them along the same axis.
    """
    free = {(v.group, v.quantity, v.axis) for v in variables if not v.tied}
    takers = {place.label: set(place.tensors) for place in places}
    for variable in (v for v in variables if v.quantity == "multiplier"):
        own = {name for label in variable.groups for name in takers[label]}
        alone = [label for label, tensors in groups.items() if {t.name for t in tensors} <= own]
        if {t.name for label in alone for t in groups[label]} != own:
            continue
        axis = variable.axis
        if all((label, q, axis) in free for label in alone for q in ("init", "lr")):
            raise ParamsearchError(
                f"the multiplier of {' + '.join(variable.groups)} along {axis} changes nothing "
                f"that init and lr of group {' and '.join(alone)} could not change alike; fix one "
                "of the three, or leave out the site"
            )


def _tensors(groups: Groups) -> Iterable[TensorInfo]:
    return (tensor for tensors in groups.values() for tensor in tensors)


def _label(match: SiteMatch, groups: Mapping[str, object]) -> str:
    """Name a line about sites; a group of tensors may bear the name already."""
    label = match.site if match.name is None else f"{match.site} {match.name}"
    return f"{label} site" if label in groups else label
