"""Whole loss-versus-learning-rate curves, for tests that hold something against them."""

from paramsearch.discovery.curves import point_losses, workload_at


def lr_losses(setting, scale, rules, lrs, seeds):
    """Train every rule at every learning rate and seed; losses of shape (rules, lrs, seeds)."""
    points = [(rule, lr) for rule in range(len(rules)) for lr in lrs]
    losses = point_losses(setting, workload_at(setting, scale), rules, points, seeds)
    return losses.reshape(len(rules), len(lrs), len(seeds))
