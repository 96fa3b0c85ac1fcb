"""The population engine, its optimizers and the probe interface."""
