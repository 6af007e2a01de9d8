"""`endomae doctor`: what this machine has, what is missing, and what that means."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys

from endomae.configs import DoctorConfig

PACKAGES = ("torch", "timm", "torchvision", "numpy", "opencv-python-headless", "simplejpeg", "safetensors")
FAISS = ("faiss-cpu", "faiss-gpu")


def run(config: DoctorConfig) -> None:
    """Print one line a fact."""
    facts = look()
    if config.json:
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        sys.stdout.write(f"{name.ljust(width)}  {value}\n")


def look() -> dict[str, str]:
    """Facts of this machine, name -> words."""
    import torch

    from endoeval.encoders.timm_import import prepare_torchvision
    from endomae.train.world import cores

    facts = {"python": sys.version.split()[0], "cores": str(cores()), "torch threads": str(torch.get_num_threads())}
    facts |= {name: _version(name) or "missing: pip install -e '.[cpu]'" for name in PACKAGES}
    facts["cuda"] = _cuda()
    facts["torchvision operators"] = {
        "native": "native",
        "schemas": "schemas only (built for CUDA, torch is not): timm and transforms work, nms and decode_jpeg do not",
        "absent": "torchvision is not installed; timm needs it",
    }[prepare_torchvision()]
    found = [name for name in FAISS if _version(name)]
    facts["faiss"] = " and ".join(found) if found else "none: exact search by matrix products"
    if len(found) > 1:
        facts["faiss"] += ": they exclude each other, uninstall one"
    facts["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "not set")
    return facts


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"none (torch is built for {torch.version.cuda or 'CPUs only'}); pretraining takes the recipe mae-cpu"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{torch.version.cuda}, {len(names)} GPUs: {', '.join(names)}"
