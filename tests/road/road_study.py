"""The road as a user walks it: real commands, in an empty folder that holds `videos/` and `benchmarks-data/`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BIN = Path(sys.executable).parent


@dataclass
class Study:
    """A study folder, the user's home beside it, and what every command said."""

    folder: Path
    home: Path
    said: dict[str, str] = field(default_factory=dict)

    def type(self, line: str, *, expect: int = 0, timeout_s: float = 280.0) -> str:
        """Run a line as typed. Returns: stdout and stderr together."""
        program, *words = line.split()
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "OMP_NUM_THREADS": "1",  # two tests may walk at once on two cores
            "COLUMNS": "100",
        }
        done = subprocess.run(
            [str(BIN / program), *words],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        self.said[line] = done.stdout
        assert done.returncode == expect, f"{line}: exit {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout
