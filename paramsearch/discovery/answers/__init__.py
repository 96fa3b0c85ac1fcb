"""What is said after a search: the two ends of the front, which exponents matter, a sentence."""
