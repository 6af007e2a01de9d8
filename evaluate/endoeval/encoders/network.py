"""timm networks as encoders: published weights, seeded random weights, or tensors of an export.

One class serves all three. It never chooses a normalisation: that stands in the contract.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
from numpy.typing import NDArray

from endoeval.encoders.architectures import build_timm, check_timm_name
from endoeval.encoders.contract import Contract, Features, Pooling
from endoeval.encoders.proof import Proof, moved, weights_digest
from endoeval.encoders.timm_import import import_timm
from endoshards.errors import BadInput, BadOption
from endoshards.files import fingerprint

PROBE_SEED = 14
"""Seed of the noise image on which a load is proven."""


@dataclass(frozen=True, eq=False)
class Network:
    """A timm model behind the Encoder protocol: eval mode, float32, no gradients."""

    name: str
    architecture: str
    contract: Contract
    model: Any = field(repr=False)
    device: str
    model_args: Mapping[str, Any] = field(default_factory=dict)
    proof: Proof | None = None
    """None for random weights, which prove nothing."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What the export says of its training; empty for others."""
    start: str = "timm"
    """The method whose start values random weights of this model have (`starts.STARTS`)."""
    encoder_id: str = ""

    def __post_init__(self) -> None:
        """Name the weights before they move to the device."""
        digest = fingerprint([weights_digest(self.model), self.contract.to_json()])[:8]
        object.__setattr__(self, "encoder_id", f"{slug(self.name)}-{digest}")
        self.model.to(self.device).eval().requires_grad_(False)

    def encode(self, images: NDArray[np.uint8], tissue: NDArray[np.bool_] | None = None) -> Features:
        """Features of uint8 [B, 3, H, W] images; pixels outside the tissue are made black first.

        Raises: ValueError for wrong shapes; BadInput if a feature is not finite.
        """
        import torch

        check_images(images, tissue)
        if tissue is not None:
            images = np.where(tissue[:, None], images, np.uint8(0))
        with torch.inference_mode():
            batch = normalised(torch.from_numpy(np.ascontiguousarray(images)).to(self.device), self.contract)
            cls, patches = tokens(self.model, batch)
            cls, patches = cls.float().cpu().numpy(), None if patches is None else patches.float().cpu().numpy()
        if not np.isfinite(cls).all() or (patches is not None and not np.isfinite(patches).all()):
            raise BadInput(f"encoder {self.name} gives features that are not finite; its weights are damaged.")
        return Features(cls, patches)


def load_timm(name: str, device: str) -> Network:
    """A timm model with its published weights. Raises: BadInput without a network, or if there are none."""
    timm = import_timm()
    check_timm_name(timm, name)
    start = build_timm(name, {}, seed=0)
    model = _published(timm, name).eval()
    started = start.state_dict()
    unchanged = tuple(key for key, tensor in model.state_dict().items() if tensor.equal(started[key]))
    changed = len(started) - len(unchanged)
    contract = timm_contract(model, "cls" if getattr(model, "global_pool", "") == "token" else "mean")
    probe_image = probe(contract)
    distance = moved(probe_image(start), probe_image(model), changed, f"timm:{name}")
    proof = Proof(len(started), changed, unchanged, (), {}, distance)
    return Network(f"timm:{name}", name, contract, model, resolve_device(device), proof=proof)


def load_random(spec: str, device: str, *, pooling: Pooling = "mean") -> Network:
    """`NAME` or `NAME@SEED`: a timm architecture with seeded random weights, pooled by the mean of its patches."""
    name, _, said = spec.partition("@")
    if said and not said.isdigit():
        raise BadInput(f"random:{spec}: the seed after @ is {said!r}; a whole number is wanted, e.g. random:{name}@1.")
    seed = int(said or 0)
    model = build_timm(name, {}, seed=seed)
    return Network(f"random:{name}@{seed}", name, timm_contract(model, pooling), model, resolve_device(device))


def random_like(encoder: Network, seed: int) -> Network:
    """The same architecture, contract and kind of start as `encoder`, untrained: its null row."""
    model = build_timm(encoder.architecture, encoder.model_args, seed=seed, start=encoder.start)
    name = f"random:{encoder.architecture}@{seed}"
    return Network(
        name,
        encoder.architecture,
        encoder.contract,
        model,
        encoder.device,
        encoder.model_args,
        start=encoder.start,
    )


def resolve_device(device: str) -> Literal["cpu", "cuda"]:
    """ "cpu" or "cuda". Raises: BadOption for another word; BadInput if CUDA is asked for where there is none."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise BadOption(f"--device is {device!r}; allowed: auto, cpu, cuda.")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise BadInput("--device cuda was asked for and this machine has no CUDA device; use --device cpu or auto.")
    return "cuda" if there and device != "cpu" else "cpu"


def slug(name: str) -> str:
    """`[a-z0-9_-]`, at most 48 characters."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:48] or "encoder"


def timm_contract(model: Any, pooling: Pooling) -> Contract:
    """The contract that timm's own record of a model gives. Raises: BadInput if its input is not square RGB."""
    data = import_timm().data.resolve_model_data_config(model)
    channels, height, width = data["input_size"]
    if channels != 3 or height != width:
        raise BadInput(f"the model wants {channels} x {height} x {width} inputs; square RGB images are supported.")
    return Contract(
        size=height,
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        pooling=pooling if _has_class_token(model) else "mean",
        patch=patch_side(model, height),
        dim=model.num_features,
    )


def patch_side(model: Any, size: int) -> int:
    """Pixels a side of a patch token: a transformer's patch, a convolutional network's whole stride."""
    embedding = getattr(model, "patch_embed", None)
    side = getattr(embedding, "patch_size", None)
    if side is not None and hasattr(model, "num_prefix_tokens"):
        return int(side[0])
    import torch

    with torch.inference_mode():
        _, patches = tokens(model, torch.zeros(1, 3, size, size))
    return size // int(patches.shape[1])


def check_images(images: NDArray[np.uint8], tissue: NDArray[np.bool_] | None) -> None:
    """Raises: ValueError with both values for a wrong dtype or shape."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images are {images.dtype} {images.shape}; uint8 [B, 3, H, W] is wanted")
    if tissue is not None and (tissue.dtype != np.bool_ or tissue.shape != (images.shape[0], *images.shape[2:])):
        raise ValueError(f"tissue is {tissue.dtype} {tissue.shape}; bool [B, H, W] of the images is wanted")


def normalised(images: Any, contract: Contract) -> Any:
    """uint8 [B, 3, H, W] to float32 [B, 3, S, S]: squashed (bilinear, antialiased), then mean and std."""
    import torch

    batch = images.to(torch.float32) / 255.0
    size = (contract.size, contract.size)
    if tuple(batch.shape[2:]) != size:
        batch = torch.nn.functional.interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False)
    mean = torch.tensor(contract.mean, device=batch.device).view(1, 3, 1, 1)
    std = torch.tensor(contract.std, device=batch.device).view(1, 3, 1, 1)
    return (batch - mean) / std


def tokens(model: Any, batch: Any) -> tuple[Any, Any]:
    """Global vector [B, D] and patch tokens [B, h, w, D] of a normalised batch.

    Transformers: the class token and the tokens after the prefix; convolutional networks: the mean of the
    last map, and the map. Raises: BadInput for a network whose output is neither.
    """
    features = model.forward_features(batch)
    if features.ndim == 3:
        prefix = int(getattr(model, "num_prefix_tokens", 0))
        patches = features[:, prefix:]
        side = round(patches.shape[1] ** 0.5)
        if side * side == patches.shape[1]:
            cls = features[:, 0] if _has_class_token(model) else patches.mean(dim=1)
            return cls, patches.reshape(patches.shape[0], side, side, -1)
    elif features.ndim == 4:
        channels_last = features.shape[-1] == model.num_features and features.shape[1] != model.num_features
        patches = features if channels_last else features.permute(0, 2, 3, 1)
        return patches.mean(dim=(1, 2)), patches
    raise BadInput(f"the network gives features of shape {tuple(features.shape)}; a token row or a map is wanted.")


def probe(contract: Contract) -> Any:
    """A function that gives a model's patch features of one fixed noise image."""
    import torch

    generator = torch.Generator().manual_seed(PROBE_SEED)
    image = torch.randn(1, 3, contract.size, contract.size, generator=generator)

    def features(model: Any) -> Any:
        with torch.inference_mode():
            return tokens(model, image)[1]

    return features


def _has_class_token(model: Any) -> bool:
    return bool(getattr(model, "has_class_token", getattr(model, "cls_token", None) is not None))


def _published(timm: Any, name: str) -> Any:
    _ask_the_cache_alone_without_a_network()
    try:
        return timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:
        cause = (str(error) or type(error).__name__).splitlines()[0].partition(". ")[0].rstrip(".")
        raise BadInput(
            f"timm:{name}: the published weights could not be fetched ({cause}); this needs a network or a filled "
            f"cache (HF_HOME). Without one give an export folder, random:{name.partition('.')[0]} or "
            "builtin:descriptor."
        ) from None


def _ask_the_cache_alone_without_a_network() -> None:
    """The hub client retries for a minute before it gives up; a name that does not resolve tells at once."""
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    if getproxies():
        return
    try:
        socket.getaddrinfo(host, 443)
    except socket.gaierror:
        constants.HF_HUB_OFFLINE = True
