"""Rules: exponents, gauge, spaces, and plugging a rule into a model."""
