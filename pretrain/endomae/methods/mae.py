"""Masked autoencoding: hide most patches, let the encoder see the rest, predict the hidden pixels.

Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", and facebookresearch/mae; ours is the
rule for patches outside the view (`masking`) and the loss pooled over the whole global batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from endomae.methods.masking import VALID_SHARE, Masking, choose, keep_count, patch_shares
from endomae.methods.method import Batch, Method, Pictures, Terms
from endomae.methods.pixels import normalise, patch_statistics, patchify, pooled_loss, spread, targets, unpatchify
from endomae.models.decoder import Decoder
from endomae.models.initialise import initialise

if TYPE_CHECKING:
    from endomae.recipes import Recipe

VIEWS = ("frame", "what the encoder sees", "reconstruction")
LEVELS = ("predicting zero", "one patch for all")
VIEWS_NOTE = "Patches outside the view are shown as they are: they are neither seen nor predicted."
NORM_PIX_NOTE = " Each hidden patch was given its own mean and contrast back, which the network does not predict."
HIDDEN_GREY = 0.5
"""Level, in [0, 1], at which pictures draw hidden patches."""


class MaskedAutoencoder(nn.Module):
    """A ViT encoder on the visible patches and a decoder on all of them."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        mask_ratio: float,
        norm_pix: bool,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        """Compose; see `build`.

        Args:
            encoder: a timm VisionTransformer with one class token and positions for it.
            decoder: see `models.decoder`.
            mask_ratio: share of valid patches hidden, in (0, 1).
            norm_pix: targets normalised patch by patch.
            mean, std: three numbers each, of RGB in [0, 1].
        """
        super().__init__()
        self.encoder: Any = encoder
        self.decoder = decoder
        self.mask_ratio = mask_ratio
        self.norm_pix = norm_pix
        vit: Any = encoder
        self.patch = int(vit.patch_embed.patch_size[0])
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, batch: Batch) -> Terms:
        """Loss of a micro-batch over its hidden valid patches."""
        pixels = normalise(batch["image"], self.mean, self.std)
        masking = self.mask(batch)
        prediction = self.predict(pixels, masking, padded="tissue" in batch)
        target = targets(patchify(pixels, self.patch), self.norm_pix)
        loss_sum, count = pooled_loss(prediction, target, masking.hidden)
        valid = masking.valid.to(torch.float32)
        return Terms(loss_sum, count, {"valid_share": (valid.sum(), torch.ones_like(valid).sum())})

    def mask(self, batch: Batch) -> Masking:
        """The masks of a micro-batch: from its draws and, where there is one, its tissue mask."""
        draws = batch["draws"]
        if "tissue" in batch:
            valid = patch_shares(batch["tissue"], self.patch) >= VALID_SHARE
        else:
            valid = torch.ones_like(draws, dtype=torch.bool)
        return choose(draws, valid, self.mask_ratio)

    def predict(self, pixels: Tensor, masking: Masking, *, padded: bool) -> Tensor:
        """Predictions for every patch.

        Args:
            pixels: float32 [B, 3, H, W], normalised.
            masking: see `masking.choose`.
            padded: False says that every visible entry is real, so that attention needs no mask.
        Returns: [B, L, patch * patch * 3].
        """
        prediction: Tensor = self.decoder(self.encode(pixels, masking, padded=padded), masking.visible, masking.real)
        return prediction

    def encode(self, pixels: Tensor, masking: Masking, *, padded: bool) -> Tensor:
        """Encoder tokens of the class and the visible patches, [B, 1 + K, D]; padding comes out as anything."""
        encoder = self.encoder
        tokens = encoder.patch_embed(pixels) + encoder.pos_embed[:, 1:]
        count, _, width = tokens.shape
        tokens = tokens.gather(1, masking.visible[..., None].expand(-1, -1, width))
        first = (encoder.cls_token + encoder.pos_embed[:, :1]).expand(count, -1, -1)
        tokens = torch.cat([first.to(tokens.dtype), tokens], dim=1)
        seen = None
        if padded:
            ones = torch.ones_like(masking.real[:, :1])
            seen = torch.cat([ones, masking.real], dim=1)[:, None, None, :]
        for block in encoder.blocks:
            tokens = block(tokens, attn_mask=seen)
        normed: Tensor = encoder.norm(tokens)
        return normed

    @torch.no_grad()
    def pictures(self, batch: Batch) -> Pictures:
        """Frame, what the encoder sees, and the reconstruction with the visible patches pasted in.

        With norm-pix each hidden patch's own mean and contrast are given back to its prediction: without them it
        has none. Patches outside the view are shown as they are: they are no part of the task.
        """
        pixels = normalise(batch["image"], self.mean, self.std)
        masking = self.mask(batch)
        prediction = self.predict(pixels, masking, padded="tissue" in batch).to(torch.float32)
        patches = patchify(pixels, self.patch)
        if self.norm_pix:
            mean, deviation = patch_statistics(patches)
            prediction = prediction * deviation + mean
        hidden = masking.hidden[..., None]
        grey = ((HIDDEN_GREY - self.mean) / self.std).repeat(self.patch * self.patch)
        views = [patches, torch.where(hidden, grey, patches), torch.where(hidden, prediction, patches)]
        shown = [self._as_bytes(unpatchify(view, self.patch)) for view in views]
        return Pictures(VIEWS, torch.stack(shown, dim=1).cpu().numpy())

    @torch.no_grad()
    def levels(self, batches: Iterable[Batch]) -> dict[str, float]:
        """What two predictors without any learning reach on these frames.

        Endoscopic frames are red: the best single patch is three colours, and with norm-pix alone accounts for half
        of the variance. A curve must fall below it before it says anything.
        """
        found = spread(self._targets(batch) for batch in batches)
        return dict(zip(LEVELS, found, strict=True)) if found else {}

    def _targets(self, batch: Batch) -> Tensor:
        pixels = normalise(batch["image"], self.mean, self.std)
        return targets(patchify(pixels, self.patch), self.norm_pix)[self.mask(batch).hidden]

    def _as_bytes(self, pixels: Tensor) -> Tensor:
        levels = pixels.permute(0, 2, 3, 1) * self.std + self.mean
        return (levels * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)


def build(recipe: Recipe, encoder: nn.Module) -> Method:
    """The method of a recipe around an encoder; the caller has seeded torch.

    Args:
        recipe: its `size`, `mask_ratio`, `norm_pix`, `decoder_*`, `mean`, `std` are read.
        encoder: a timm VisionTransformer for that size.
    """
    vit: Any = encoder
    patches, patch = int(vit.patch_embed.num_patches), int(vit.patch_embed.patch_size[0])
    values = patch * patch * 3
    decoder = Decoder(
        encoder_width=int(vit.embed_dim),
        width=recipe.decoder_width,
        depth=recipe.decoder_depth,
        heads=recipe.decoder_heads,
        side=recipe.size // patch,
        values=values,
    )
    initialise(decoder)
    module = MaskedAutoencoder(
        encoder, decoder, mask_ratio=recipe.mask_ratio, norm_pix=recipe.norm_pix, mean=recipe.mean, std=recipe.std
    )
    return Method(
        module=module,
        encoder=encoder,
        draws=patches,
        pooling="mean",
        levels=module.levels,
        views=VIEWS,
        views_note=VIEWS_NOTE + (NORM_PIX_NOTE if recipe.norm_pix else ""),
        pictures=module.pictures,
        blocks=(*vit.blocks, *decoder.blocks),
        shapes={
            "image": [recipe.batch, recipe.size, recipe.size, 3],
            "patches": patches,
            "visible": keep_count(patches, recipe.mask_ratio),
            "encoder tokens": [recipe.batch, 1 + keep_count(patches, recipe.mask_ratio), int(vit.embed_dim)],
            "decoder tokens": [recipe.batch, 1 + patches, recipe.decoder_width],
            "prediction": [recipe.batch, patches, values],
        },
    )
