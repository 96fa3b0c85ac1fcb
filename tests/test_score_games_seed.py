"""A candidate that is good on the seeds of the search alone is not the one recommended."""

import pytest
from fake_evaluator import FakeEvaluator

from paramsearch.discovery.driver import Driver
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.progress import silent
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.store import Store
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.tracing.trace import trace

ENCODING = Space.load("width").encode(trace("mlp").groups(), "adam")
LUCKY = ENCODING.rule_at([v.high for v in ENCODING.variables], "lucky")
BONUS = 100.0


class LuckySeeds(FakeEvaluator):
    """As the fake, but one rule far from the best shines on some seeds."""

    lucky_on, lucky = frozenset(), LUCKY

    def _evaluation(self, rule, seeds):
        bonus = BONUS if rule.groups == self.lucky.canonical().groups else 0.0
        return with_bonus(
            super()._evaluation(rule, seeds), [bonus * (s in self.lucky_on) for s in seeds]
        )


def with_bonus(evaluation, bonus):
    per_seed = tuple(s - b for s, b in zip(evaluation.per_seed, bonus, strict=True))
    made = evaluation.to_json() | {"per_seed": per_seed, "score": sum(per_seed) / len(per_seed)}
    return type(evaluation).from_json(made)


def search(tmp_path, lucky_on, lucky=LUCKY, suggested=LUCKY, **asked):
    """Search and recommend; the lucky rule, or another, is suggested to the sampler."""
    about = ("mlp", "width", "adam", "digits", "width", "transfer")
    settings = SearchSettings(*about, **{"budget": 24, "generation": 8, "polish_rounds": 1} | asked)
    evaluator, store = LuckySeeds(), Store(tmp_path / "trials.db")
    evaluator.lucky_on, evaluator.lucky = frozenset(lucky_on(settings)), lucky
    first = [tuple(ENCODING.indices(suggested))]
    ledger = Ledger(evaluator, store)
    found = Driver(settings, ENCODING, ledger, {}, silent, suggested=first).run()
    store.close()
    return found


LUCK = {
    "all seeds of the search": lambda settings: settings.search_seeds(),
    "one seed of the search": lambda settings: settings.search_seeds()[:1],
}


@pytest.mark.parametrize("luck", LUCK)
def test_luck_on_the_seeds_of_the_search_is_not_recommended(tmp_path, luck):
    found = search(tmp_path, LUCK[luck])
    lucky = tuple(ENCODING.indices(LUCKY))
    first = min(found.steps, key=lambda step: step.evaluation.score)
    assert first.point == lucky and first.evaluation.score < -BONUS / 4
    assert found.best.point != lucky
    assert found.best.evaluation.score >= 0 and found.best.evaluation.score < first_fresh()


def test_what_shines_on_all_seeds_is_recommended(tmp_path):
    def every(asked):
        return [*asked.search_seeds(), *asked.final_seeds(), *asked.confirming_seeds(0)]

    found = search(tmp_path, every)
    assert found.best.point == tuple(ENCODING.indices(LUCKY))


BEST = tuple(ENCODING.indices(Rule.load("mup")))
BESIDE = (*BEST[:-1], BEST[-1] + 1)


@pytest.mark.parametrize("confirming", [False, True])
def test_without_the_solver_a_neighbour_must_shine_on_fresh_seeds_too(tmp_path, confirming):
    """One that shines on the seeds of the climb is climbed to from the best that was suggested."""

    def lucky_on(asked):
        unseen = (seed for number in (0, 1) for seed in asked.confirming_seeds(number))
        return [*asked.final_seeds(), *(unseen if confirming else ())]

    lucky, best = ENCODING.rule(BESIDE, "lucky"), ENCODING.rule(BEST, "best")
    found = search(tmp_path, lucky_on, lucky, best, solve=False)
    assert found.best.point == (BESIDE if confirming else BEST)


def first_fresh():
    """The score of the lucky rule without luck."""
    return FakeEvaluator()._evaluation(LUCKY.canonical(), [7]).score
