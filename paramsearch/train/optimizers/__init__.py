"""Optimizers on tensors stacked over members, one a file, and the table of them."""
