"""Pictures of runs and certificates."""
