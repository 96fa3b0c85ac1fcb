"""Tasks: deterministic streams of batches."""
