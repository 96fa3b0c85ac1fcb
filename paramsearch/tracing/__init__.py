"""Model -> graph of parameter tensors -> axes, roles, groups."""
