"""Search, verification, and the store of trials."""
