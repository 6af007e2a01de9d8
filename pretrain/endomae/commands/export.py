"""`endomae export`: write a run's encoder as a folder that timm loads."""

from __future__ import annotations

import sys

from endomae.configs import ExportConfig, PretrainConfig
from endoshards.errors import BadInput
from endoshards.settings import load


def run(config: ExportConfig) -> None:
    """Write `export/` in the run, or `--out`.

    Raises: BadInput if the folder is no run, has no such checkpoint, or `--out` holds something else.
    """
    from endomae.recipes import resolve
    from endomae.train.runs import RunFolder
    from endomae.weights.export import export

    folder = RunFolder(config.run)
    if not folder.settings.is_file():
        raise BadInput(f"{config.run} is no run (it has no run.toml); endomae status lists the runs.")
    recipe, _ = resolve(load(PretrainConfig, {}, file=folder.settings), "cpu")
    out = export(folder, recipe, config.checkpoint, config.out or folder.export)
    sys.stdout.write(f'{out}\nload it by: timm.create_model("local-dir:{out}", pretrained=True)\n')
