"""`endocur status`: what a corpus holds and what to type next. Imports no numeric library."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from endocur.account import counted
from endocur.configs import StatusConfig
from endocur.corpus import open_corpus
from endocur.report.standing import StageStanding, Standing, standing


def run(config: StatusConfig) -> None:
    """Read, say."""
    found = standing(open_corpus(config.corpus))
    if config.json:
        sys.stdout.write(json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(lines(found))


def lines(found: Standing) -> str:
    """The standing as text."""
    inputs = ", ".join(f"{count:,} {status}" for status, count in found.inputs.items()) or "none yet"
    out = [f"{found.corpus}: {counted(found.frames, 'frame')} of {counted(found.units, 'unit')}; inputs: {inputs}"]
    if found.in_use:
        out.append(f"in use by {found.in_use}")
    wide = max(len(stage.name) for stage in found.stages)
    out += [f"  {stage.name:<{wide}}  {_said(stage)}".rstrip() for stage in found.stages]
    if found.next:
        out.append(f"next: {found.next}")
    return "\n".join(out) + "\n"


def _said(stage: StageStanding) -> str:
    if stage.state == "not run":
        return "not run"
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in (stage.dropped or {}).items())
    counts = f"kept {stage.kept:,} of {stage.seen:,}" + (f" (dropped: {dropped})" if dropped else "")
    failed = f", {stage.failed:,} failed" if stage.failed else ""
    said = f"{stage.state:<10}  {counts}{failed}" if stage.seen or stage.failed else stage.state
    return f"{said}; {stage.why}" if stage.why else f"{said}; {stage.finished}" if stage.finished else said
