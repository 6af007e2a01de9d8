"""`endomae doctor`: what this machine has, what is missing, and what that means."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys

from endomae.configs import DoctorConfig

PACKAGES = ("torch", "timm", "torchvision", "numpy", "opencv-python-headless", "simplejpeg", "safetensors")
PLAIN_IMPORT = "import timm"
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
        "schemas": "do not load: torchvision is of another build than torch",
        "absent": "torchvision is not installed; timm needs it",
    }[prepare_torchvision()]
    facts["import timm"] = plain_timm()
    found = [name for name in FAISS if _version(name)]
    facts["faiss"] = " and ".join(found) if found else "none: exact search by matrix products"
    if len(found) > 1:
        facts["faiss"] += ": they exclude each other, uninstall one"
    facts["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "not set")
    return facts


def plain_timm() -> str:
    """Whether a bare Python imports timm: what our own processes make of torchvision says nothing about a user's."""
    import torch

    done = subprocess.run([sys.executable, "-c", PLAIN_IMPORT], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return "works"
    why = (done.stderr.strip().splitlines() or ["no message"])[-1]
    here = (_version("torchvision") or "").partition("+")[0]
    build = f"cu{torch.version.cuda.replace('.', '')}" if torch.version.cuda else "cpu"
    return (
        f"fails ({why}): endomae's own commands work all the same, your own scripts need the torchvision built for "
        f"this torch: pip install --force-reinstall --no-deps torchvision{f'=={here}+{build}' if here else ''}, "
        f"from the index that pytorch.org names for {build}"
    )


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
