"""Places where a rule scales an activation, and the tensors that can do it in their stead."""
