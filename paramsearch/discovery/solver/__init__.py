"""Solve for exponents: where the slopes of the update probes vanish, and how sure that is."""
