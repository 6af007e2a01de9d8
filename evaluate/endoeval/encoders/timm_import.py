"""Import timm beside any build of torch.

torchvision on PyPI is linked to CUDA; beside a CPU torch its C++ part cannot load and `import torchvision`
dies with "operator torchvision::nms does not exist", and timm falls with it. All that import needs are the
schemas of two operators; where the native part loads, it is used and nothing is touched.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

_SCHEMAS: list[Any] = []
"""Library handles; they must live as long as the process, else the schemas vanish."""

_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_timm() -> Any:
    """The timm module, whichever way torchvision was built. Idempotent."""
    prepare_torchvision()
    import timm

    return timm


def prepare_torchvision() -> str:
    """Make `import torchvision` possible.

    Returns: "absent" (no torchvision here), "native" (its operators load) or "schemas" (only their
    signatures stand: transforms work, `nms` and `decode_jpeg` do not).
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return "absent"
    if _SCHEMAS:
        return "schemas"
    import torch

    for library in Path(found.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            break
        return "native"
    _define_schemas(torch)
    return "schemas"


def _define_schemas(torch: Any) -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        try:
            library.define(name + _NMS)
        except RuntimeError as error:
            if "multiple times" not in str(error) and "already" not in str(error):
                raise
    _SCHEMAS.append(library)
