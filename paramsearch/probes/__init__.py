"""Probes: what is measured on a member as it trains."""
