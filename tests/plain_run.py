"""One member trained as a user would: a model, a rule plugged in, a torch optimizer, a loop."""

import torch

import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.train.optimizers.table import optimizer_entry


def rules(optimizer):
    return [Rule.load("mup", optimizer), Rule.load("ntk", optimizer)]


class Plain:
    """One member as a user would train it; ``step`` returns what autograd and the update were."""

    def __init__(self, arch, task, width, member, recipe):
        self.task = load_task(task)
        self.model = arch.model(self.task.dims, {"width": width}).double()
        groups = paramsearch.apply(
            rules(recipe.optimizer)[member.rule],
            self.model,
            base=lambda: arch.model(self.task.dims),
            lr=member.lr,
            weight_decay=recipe.weight_decay,
            ratios={"width": width / arch.axes["width"]},
            generator=torch.Generator().manual_seed(member.seed),
        )
        self.optimizer = optimizer_entry(recipe.optimizer).reference(groups)

    @property
    def params(self):
        return {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def step(self, number):
        before, (inputs, targets) = self.params, self.task.batch(number)
        self.optimizer.zero_grad()
        self.task.loss(self.model(inputs.double()), targets).backward()
        grads = {name: p.grad.clone() for name, p in self.model.named_parameters()}
        self.optimizer.step()
        return grads, {name: p - before[name] for name, p in self.params.items()}

    def outputs(self):
        """Output of the module that owns each tensor, caught by forward hooks."""
        outputs, hooks = {}, []
        for name, _ in self.model.named_parameters():
            module = self.model.get_submodule(name.rpartition(".")[0])
            hooks.append(
                module.register_forward_hook(lambda _m, _i, y, name=name: outputs.update({name: y}))
            )
        with torch.no_grad():
            self.model(self.task.evaluation()[0].double())
        for hook in hooks:
            hook.remove()
        return outputs
