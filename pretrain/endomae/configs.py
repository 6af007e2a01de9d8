"""What each `endomae` command can be told: one frozen dataclass a command. Standard library only."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

from endoshards.errors import BadOption
from endoshards.settings import option

PROTOCOLS = ("knn", "logistic", "segmentation")

ABOVE_ZERO = (
    "steps",
    "epochs",
    "minutes",
    "batch",
    "accumulate",
    "base_lr",
    "lr",
    "size",
    "encoder_width",
    "encoder_depth",
    "encoder_heads",
    "decoder_width",
    "decoder_depth",
    "decoder_heads",
    "devices",
    "threads",
    "checkpoint_every",
    "log_every",
)
"""Options of `endomae pretrain` that must be finite and above 0."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Options of `endomae pretrain`. None: the recipe says."""

    shards: Path = option(Path("shards"), "Folder of shards.", how=True)
    recipe: str | None = option(None, "Recipe by name or TOML file; chosen for the device if not given.")
    runs: Path = option(Path("runs"), "Folder that holds the runs.", how=True)
    again: str | None = option(None, "Name of another run of the same settings.")
    seed: int | None = option(None, "Seed of weights, order, crops and masks; 0 if the recipe says none.")
    steps: int | None = option(None, "Optimiser steps.")
    epochs: float | None = option(None, "Passes over the training samples, instead of steps.")
    minutes: float | None = option(
        None, "Wall-clock budget in minutes, measured on the first steps and turned into steps."
    )
    batch: int | None = option(None, "Images an optimiser step, over all processes and accumulation.")
    accumulate: int | None = option(None, "Micro-batches an optimiser step.")
    base_lr: float | None = option(None, "Learning rate a batch of 256; the peak is this x batch / 256.")
    lr: float | None = option(None, "Peak learning rate; else the base rate x batch / 256.")
    min_lr: float | None = option(None, "Learning rate at the last step.")
    warmup: float | None = option(None, "Share of the steps in which the rate rises from 0, 0 to 1.")
    weight_decay: float | None = option(None, "Decay of matrices; none on vectors, positions and tokens.")
    betas: tuple[float, float] | None = option(None, "Two decay rates of AdamW's averages, 0 to 1.")
    size: int | None = option(None, "Side of the input in pixels.")
    crop_scale: tuple[float, float] | None = option(None, "Smallest and largest share of the frame a crop takes.")
    mask_ratio: float | None = option(None, "Share of valid patches hidden, 0 to 1.")
    norm_pix: bool | None = option(None, "Targets normalised patch by patch.")
    mean: tuple[float, float, float] | None = option(None, "Mean of red, green and blue in [0, 1].")
    std: tuple[float, float, float] | None = option(None, "Deviation of red, green and blue in [0, 1].")
    method: str | None = option(None, "Training method: mae.")
    encoder: str | None = option(None, "Architecture by its timm name.")
    encoder_width: int | None = option(None, "Features a token, where it differs from the architecture.")
    encoder_depth: int | None = option(None, "Blocks, where it differs from the architecture.")
    encoder_heads: int | None = option(None, "Attention heads, where it differs from the architecture.")
    decoder_width: int | None = option(None, "Features a token of the decoder.")
    decoder_depth: int | None = option(None, "Blocks of the decoder.")
    decoder_heads: int | None = option(None, "Attention heads of the decoder.")
    init: str | None = option(None, "Start the encoder from these weights: a run, an export or timm:NAME.")
    held_out: float | None = option(None, "Share of the samples, by group, never trained on; 0 for none.")
    precision: Literal["auto", "fp32", "bf16"] | None = option(None, "auto is bf16 on CUDA, fp32 on a CPU.")
    compile: bool | None = option(None, "Compile each block (CUDA only).")
    device: str = option("auto", "auto, cpu or cuda.", how=True)
    devices: int | None = option(None, "Processes, one a GPU; all visible GPUs if not given.", how=True)
    threads: int | None = option(None, "Decoding threads a process.", how=True)
    checkpoint_every: int = option(500, "Steps between checkpoints.", how=True)
    log_every: int = option(10, "Steps between lines of metrics.jsonl.", how=True)
    max_bad_samples: int = option(100, "Unreadable samples before the run stops.", how=True)
    dry_run: bool = option(False, "Print shapes, groups, rates and one loss, then stop.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        for name in ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise BadOption(f"--{name.replace('_', '-')} is {value:g}; a number above 0 is wanted.")
        if self.mask_ratio is not None and not 0.0 < self.mask_ratio < 1.0:
            raise BadOption(
                f"--mask-ratio is {self.mask_ratio:g}; a share between 0 and 1 is wanted, for example 0.75."
            )
        for name in ("min_lr", "weight_decay", "max_bad_samples"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise BadOption(f"--{name.replace('_', '-')} is {value:g}; 0 or a number above it is wanted.")
        for name, top in (("warmup", 1.0), ("held_out", 0.5)):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= top:
                raise BadOption(
                    f"--{name.replace('_', '-')} is {value:g}; a share from 0 to {top:g} is wanted, for example 0.05."
                )
        if self.betas is not None and not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise BadOption(f"--betas are {self.betas}; two numbers from 0 to below 1 are wanted.")
        if self.std is not None and not min(self.std) > 0:
            raise BadOption(f"--std is {self.std}; three numbers above 0 are wanted.")
        if self.crop_scale is not None and not 0.0 < self.crop_scale[0] <= self.crop_scale[1] <= 1.0:
            raise BadOption(f"--crop-scale is {self.crop_scale}; two rising shares above 0, at most 1, are wanted.")
        if self.again is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", self.again):
            raise BadOption(f"--again is {self.again!r}; up to 32 letters, digits, - and _ are wanted.")
        if sum(value is not None for value in (self.steps, self.epochs, self.minutes)) > 1:
            raise BadOption("--steps, --epochs and --minutes exclude each other; give one of them.")


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Options of `endomae eval`."""

    encoders: tuple[str, ...] = option(
        (),
        "A run or export folder, timm:NAME, random:NAME, builtin:descriptor; the newest finished run if none.",
        argument=True,
    )
    data_root: Path = option(Path("benchmarks-data"), "Folder that holds the labelled sets.", how=True)
    sets: tuple[str, ...] = option((), "Only these sets, by folder name; repeatable.")
    protocols: tuple[str, ...] = option(PROTOCOLS, "knn, logistic, segmentation; repeatable.", flag="--protocol")
    group_pattern: str | None = option(None, "Regular expression on a file's path; its first group is the patient.")
    folds: int = option(5, "Folds by group where a set has no split of its own.")
    as_published: bool = option(False, "Keep a set's own split though groups stand on both sides, marked.")
    seed: int = option(0, "Seed of folds and heads.")
    random_seeds: int = option(1, "Random-weight rows beside each encoder.")
    out: Path | None = option(None, "Result folder; results/<name> if not given.", how=True)
    runs: Path = option(Path("runs"), "Folder in which the newest run is looked for.", how=True)
    device: str = option("auto", "auto, cpu or cuda.", how=True)
    batch: int = option(32, "Images a batch.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        for name in self.protocols:
            if name not in PROTOCOLS:
                raise BadOption(f"--protocol {name}: allowed: {', '.join(PROTOCOLS)}.")
        if self.folds < 2:
            raise BadOption(f"--folds is {self.folds}; at least 2 are wanted.")
        if self.random_seeds < 0:
            raise BadOption(f"--random-seeds is {self.random_seeds}; 0 or more are wanted.")
        if self.batch < 1:
            raise BadOption(f"--batch is {self.batch}; at least 1 is wanted.")


@dataclass(frozen=True, kw_only=True)
class AuditSplitConfig:
    """Options of `endomae audit-split`."""

    train: Path = option(MISSING, "List of the training rows, one list of all rows, or class folders.", argument=True)
    test: Path | None = option(None, "List of the test rows; none where the first list has a split.", argument=True)
    val: Path | None = option(None, "List of the validation rows.")
    split_column: str | None = option(None, "Column of one list that says train, val, test, or the fold's number.")
    file_column: str | None = option(None, "Column of the paths or ids, where the header does not tell.")
    label_column: str | None = option(None, "Column of the labels, where the header does not tell.")
    group_column: str | None = option(None, "Column that says what must not be split: patient, else video.")
    groups: Path | None = option(None, "CSV with the columns file and group.")
    group_pattern: str | None = option(None, "Regular expression on a path; its first group is the patient or video.")
    classes: int | None = option(None, "Number of classes that the lists are said to have.")
    data_root: Path | None = option(None, "Folder of the pictures, if there: copies are looked for.", how=True)
    published: float | None = option(None, "A published score from 0 to 1, put beside the null rows.")
    published_metric: Literal["accuracy", "balanced_accuracy", "macro_f1"] = option(
        "accuracy", "What the published score is; of boxes it is F1 of frame presence."
    )
    propose: Path | None = option(None, "Folder to write clean lists to, split by group.", how=True)
    seed: int = option(0, "Seed of the proposed lists.")
    share: bool = option(False, "Leave names of rows and groups out of all that is written and shown.")
    out: Path | None = option(None, "Result folder; results/audit-<name of the list's folder> if not given.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        if self.published is not None and not 0.0 <= self.published <= 1.0:
            raise BadOption(
                f"--published is {self.published:g}; a share from 0 to 1 is wanted, for 55.28 % write 0.5528."
            )
        if self.seed < 0:
            raise BadOption(f"--seed is {self.seed}; a whole number from 0 is wanted.")
        if self.classes is not None and self.classes < 2:
            raise BadOption(f"--classes is {self.classes}; at least 2 are wanted.")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Options of `endomae export`."""

    run: Path = option(Path(), "Run folder.", argument=True, how=True)
    checkpoint: Literal["best", "last"] = option("last", "Which checkpoint.")
    out: Path | None = option(None, "Folder to write; export/ in the run if not given.", how=True)


@dataclass(frozen=True, kw_only=True)
class RunsConfig:
    """Options of `endomae status`."""

    runs: Path = option(Path("runs"), "Folder that holds the runs.", how=True)
    json: bool = option(False, "Print as JSON.", how=True)


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """Options of `endomae doctor`."""

    json: bool = option(False, "Print as JSON.", how=True)


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Options of `endomae demo`."""

    folder: Path = option(Path("demo"), "Study folder to work in.", argument=True, how=True)
    seed: int = option(0, "Seed of the drawn procedures.")
