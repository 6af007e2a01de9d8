"""The decoder of a masked autoencoder: narrow, used in training only. Plain torch, no foreign parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from endomae.models.positions import sincos_positions

NORM_EPS = 1e-6


class Attention(nn.Module):
    """Self-attention over all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, W] -> [B, N, W]."""
        count, length, width = tokens.shape
        query, key, value = (
            self.qkv(tokens).reshape(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        mixed_back: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, length, width))
        return mixed_back


class Block(nn.Module):
    """A pre-norm transformer block with an MLP of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, W] -> [B, N, W]."""
        tokens = tokens + self.attn(self.norm1(tokens))
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class Decoder(nn.Module):
    """Tokens of the visible patches -> a prediction for every patch."""

    def __init__(self, *, encoder_width: int, width: int, depth: int, heads: int, side: int, values: int) -> None:
        """A decoder.

        Args:
            encoder_width: features of an encoder token.
            width, depth, heads: of the decoder; `width` a multiple of 4 and of `heads`.
            side: patches a side of the image.
            values: numbers predicted a patch.
        """
        super().__init__()
        self.embed = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(sincos_positions(width, side), requires_grad=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(width, values)

    def forward(self, latent: Tensor, visible: Tensor, real: Tensor) -> Tensor:
        """Predict all patches.

        Args:
            latent: [B, 1 + K, encoder_width], the class token first.
            visible: int64 [B, K], where each token belongs.
            real: bool [B, K]; other tokens are padding and are dropped.
        Returns: [B, L, values].
        """
        tokens = self.embed(latent)
        count, _, width = tokens.shape
        patches = self.pos_embed.shape[1] - 1
        # Padding is scattered into one slot too many, which is cut off.
        slot = torch.where(real, visible, patches)[..., None].expand(-1, -1, width)
        grid = self.mask_token.to(tokens.dtype).expand(count, patches + 1, width).scatter(1, slot, tokens[:, 1:])
        tokens = torch.cat([tokens[:, :1], grid[:, :patches]], dim=1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        prediction: Tensor = self.head(self.norm(tokens))[:, 1:]
        return prediction
