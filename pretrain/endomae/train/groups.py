"""Which parameters decay: one rule for all methods, printed before the first step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn, optim

UNDECAYED_NAMES = ("pos_embed", "cls_token", "reg_token", "mask_token")


@dataclass(frozen=True)
class Group:
    """Parameters of one weight decay."""

    name: str
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]
    weight_decay: float

    @property
    def numbers(self) -> int:
        """Trained numbers in the group."""
        return sum(parameter.numel() for parameter in self.parameters)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[Group]:
    """Matrices decay; vectors (biases, norms), positions and tokens do not; fixed ones are left out.

    Args:
        module: with its parameters' final names.
        weight_decay: of the matrices.
    Returns: at most two groups, each non-empty.
    """
    trained = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    still = {name for name, parameter in trained if parameter.ndim <= 1 or name.endswith(UNDECAYED_NAMES)}
    groups = []
    for title, decay in (("decayed", weight_decay), ("not decayed", 0.0)):
        chosen = [(name, parameter) for name, parameter in trained if (name in still) == (title == "not decayed")]
        if chosen:
            names, parameters = zip(*chosen, strict=True)
            groups.append(Group(title, tuple(names), tuple(parameters), decay))
    return groups


def adamw(groups: list[Group], betas: tuple[float, float]) -> optim.AdamW:
    """AdamW over the groups; the rate is set before each step."""
    rows = [{"params": list(group.parameters), "weight_decay": group.weight_decay} for group in groups]
    return optim.AdamW(rows, lr=0.0, betas=betas, fused=True)


def table(groups: list[Group], fixed: int, peak: float) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of the table of groups.

    Args:
        groups: as trained.
        fixed: numbers that are not trained.
        peak: learning rate after warm-up.
    """
    headers = ["group", "tensors", "numbers", "peak rate", "weight decay"]
    rows = [
        [group.name, str(len(group.names)), f"{group.numbers:,}", f"{peak:.3g}", f"{group.weight_decay:g}"]
        for group in groups
    ]
    return headers, [*rows, ["fixed", "", f"{fixed:,}", "0", ""]]
