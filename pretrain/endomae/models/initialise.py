"""Start values of a masked autoencoder."""

from __future__ import annotations

from torch import nn


def initialise(module: nn.Module) -> None:
    """Start values of a masked autoencoder: Xavier for matrices, 0 for biases, normal 0.02 for tokens.

    Source: facebookresearch/mae. Fixed positions are left alone.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d):
            nn.init.xavier_uniform_(part.weight.view(part.weight.shape[0], -1))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for name, parameter in module.named_parameters():
        if name.endswith(("cls_token", "mask_token")):
            nn.init.normal_(parameter, std=0.02)
