"""`endocur doctor`: what this machine has for the road, what is missing and what clashes."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from endocur.configs import DoctorConfig
from endocur.report.machine import Finding, examine
from endoshards.errors import BadInput, CheckFailed

VALUE_WIDTH = 88
"""Columns after which a value goes on in the next line; advice never breaks, it is there to be copied."""

SIGN = {"ok": "ok", "note": "note", "missing": "MISSING"}


def run(config: DoctorConfig) -> None:
    """Look, say, and end with exit code 3 if something needed is missing or clashes; 4 if a video is not sound.

    Raises: BadInput, CheckFailed.
    """
    if config.decode is not None:
        _video(config, config.decode)
        return
    found = examine(Path.cwd())
    missing = [finding.name for finding in found if finding.state == "missing"]
    if config.json:
        value = {"ok": not missing, "findings": [asdict(finding) for finding in found]}
        sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(lines(found))
    if missing:
        raise BadInput(f"{', '.join(missing)}: needed and not usable here; the lines marked MISSING say what to type.")


def _video(config: DoctorConfig, path: Path) -> None:
    from endocur.extract.source import Unreadable
    from endocur.report.checkup import check_up

    if not path.is_file():
        raise BadInput(f"--decode {path}: no such file; give one video.")
    try:
        found = check_up(path)
    except Unreadable as error:
        raise BadInput(f"--decode {path}: {error}; give a video that plays.") from None
    wrong = [finding.name for finding in found if finding.state == "missing"]
    if config.json:
        value = {"ok": not wrong, "findings": [asdict(finding) for finding in found]}
        sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(lines(found, SIGN | {"missing": "WRONG"}))
    if wrong:
        raise CheckFailed(f"{', '.join(wrong)}: not as it should be; the lines marked WRONG say what was found.")


def lines(found: Sequence[Finding], sign: Mapping[str, str] = SIGN) -> str:
    """The findings as text: sign, name, value, and the advice in a line of its own."""
    wide = max(len(finding.name) for finding in found)
    out = []
    for finding in found:
        first, *more = textwrap.wrap(finding.value, VALUE_WIDTH, break_on_hyphens=False) or [""]
        out.append(f"{sign[finding.state]:<8}{finding.name:<{wide}}  {first}")
        out += [f"{'':<8}{'':<{wide}}  {line}" for line in more]
        if finding.advice:
            out.append(f"{'':<8}{'':<{wide}}  -> {finding.advice}")
    return "\n".join(out) + "\n"
