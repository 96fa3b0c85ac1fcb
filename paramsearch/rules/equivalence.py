"""When two rules say the same of every tensor that any model could have."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from paramsearch.rules.group import Group, Match
from paramsearch.tracing.tensor import ROLES, TensorInfo

OTHER_OP = "other"
_STATE_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class Kind:
    """All that groups can ask about a tensor.

    Attributes:
        role: One of the roles.
        op: An op that some group mentions, or one that none does.
        residual: Whether it sits in a residual branch.
        patterns: The name patterns, of those mentioned, that its name matches.
    """

    role: str
    op: str
    residual: bool
    patterns: frozenset[str]

    def find(self, groups: Sequence[Group]) -> Group | None:
        """Give the first group that matches a tensor of this kind."""
        for group in groups:
            if group.match.accepts(
                self.role, self.op, self.residual, lambda pattern: pattern in self.patterns
            ):
                return group
        return None


def kinds(matches: Iterable[Match]) -> list[Kind]:
    """List every kind of tensor that these matches can tell apart.

    Example:
        >>> len(kinds([Match(role="hidden"), Match(name="a.*")]))  # 5 roles x residual x name
        20
    """
    matches = list(matches)
    ops = [*dict.fromkeys(m.op for m in matches if m.op is not None), OTHER_OP]
    patterns = list(dict.fromkeys(m.name for m in matches if m.name is not None))
    return [
        Kind(role, op, residual, named)
        for role, op, residual, named in itertools.product(
            ROLES, ops, (False, True), signatures(patterns)
        )
    ]


def pairs(
    mine: Sequence[Group], theirs: Sequence[Group], tensors: Iterable[TensorInfo] | None = None
) -> list[tuple[Group | None, Group | None]]:
    """Give, for each tensor, the group that either of two rules has for it.

    Args:
        mine: Groups of one rule.
        theirs: Groups of the other.
        tensors: Tensors to ask about; every kind of tensor by default.
    """

    def first(groups: Sequence[Group], tensor: TensorInfo) -> Group | None:
        return next((group for group in groups if group.match.matches(tensor)), None)

    if tensors is not None:
        return [(first(mine, tensor), first(theirs, tensor)) for tensor in tensors]
    every = kinds(group.match for group in (*mine, *theirs))
    return [(kind.find(mine), kind.find(theirs)) for kind in every]


def same_exponents(
    mine: Group | None,
    theirs: Group | None,
    quantities: Iterable[str],
    axes: Sequence[str],
    tol: float,
) -> bool:
    """Say whether two groups agree, or both are missing.

    Args:
        mine: Group of one rule.
        theirs: Group of the other, in the same gauge.
        quantities: What to compare.
        axes: Along which axes.
        tol: By how much exponents may differ.
    """
    if mine is None or theirs is None:
        return mine is theirs
    return all(
        abs(mine.exponent(quantity, axis) - theirs.exponent(quantity, axis)) <= tol
        for quantity in quantities
        for axis in axes
    )


def signatures(patterns: Sequence[str]) -> list[frozenset[str]]:
    """List the sets of patterns that a single name can match.

    Runs all patterns at once as one automaton over the characters they mention and one that they
    do not, and collects which patterns accept in each state that a name can reach.

    Args:
        patterns: Shell patterns.

    Returns:
        Sets of patterns, the empty one included; beyond a size limit, each pattern by itself.

    Example:
        >>> [sorted(found) for found in signatures(["*.bias", "a.*"])]
        [[], ['a.*'], ['*.bias'], ['*.bias', 'a.*']]
    """
    tokens = [_tokens(pattern) for pattern in patterns]
    alphabet = sorted({char for pattern in patterns for char in pattern} | {"\x00"})
    start = tuple(_closure(frozenset({0}), token) for token in tokens)
    seen, queue = {start}, [start]
    found: dict[frozenset[str], None] = {}
    while queue:
        state = queue.pop(0)
        accepted = zip(patterns, state, tokens, strict=True)
        found[frozenset(p for p, places, token in accepted if len(token) in places)] = None
        for char in alphabet:
            after = tuple(
                _step(places, char, token) for places, token in zip(state, tokens, strict=True)
            )
            if after not in seen:
                seen.add(after)
                queue.append(after)
        if len(seen) > _STATE_LIMIT:
            return [frozenset(), *(frozenset({pattern}) for pattern in patterns)]
    return list(found)


def _tokens(pattern: str) -> list[str]:
    """Split a pattern into ``*`` and pieces that stand for one character."""
    tokens: list[str] = []
    at = 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "[":
            close = pattern.find("]", at + 3 if pattern[at + 1 : at + 2] == "!" else at + 2)
            end = close + 1 if close > 0 else end
        piece = pattern[at:end]
        tokens.append("[[]" if piece == "[" else piece)
        at = end
    return tokens


def _closure(places: frozenset[int], tokens: Sequence[str]) -> frozenset[int]:
    """Add the places reached by letting a ``*`` stand for nothing."""
    reached = set(places)
    for place in range(len(tokens)):
        if place in reached and tokens[place] == "*":
            reached.add(place + 1)
    return frozenset(reached)


def _step(places: frozenset[int], char: str, tokens: Sequence[str]) -> frozenset[int]:
    after: set[int] = set()
    for place in places:
        if place < len(tokens):
            if tokens[place] == "*":
                after.add(place)
            elif fnmatchcase(char, tokens[place]):
                after.add(place + 1)
    return _closure(frozenset(after), tokens)
