"""Start one process a device, pass signals on to them, and end as the first of them that failed did.

A small torchrun for one machine, standard library only: the children are the same command with RANK and
WORLD_SIZE set, so that a real torchrun does the same thing from outside.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from endomae.configs import PretrainConfig
from endoshards.settings import to_toml

GRACE_S = 60.0
"""How long the others may take to save once one process has ended."""
POLL_S = 0.1


def launched_by_others() -> bool:
    """True inside a process that a launcher (ours or torchrun) started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(config: PretrainConfig, processes: int) -> int:
    """Run the command in several processes.

    Args:
        config: what the command was told.
        processes: how many, at least 2.
    Returns: the exit code: 0, or that of the first process that did not end with 0.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "pretrain.toml"
        settings.write_text(to_toml(config), encoding="utf-8")
        shared = {
            **os.environ,
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_free_port()),
        }
        children: list[subprocess.Popen[bytes]] = []

        def forward(number: int, _frame: FrameType | None) -> None:
            for child in children:
                child.send_signal(number)

        before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            for rank in range(processes):
                command = [sys.executable, "-m", "endomae", "pretrain", "--config", str(settings)]
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                # A session of its own: ctrl-C reaches a child once, from here, not twice.
                children.append(subprocess.Popen(command, env={**shared, **own}, start_new_session=True))
            return _wait(children)
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()
                child.wait()
            for number, handler in before.items():
                signal.signal(number, handler)


def _wait(children: list[subprocess.Popen[bytes]]) -> int:
    first: int | None = None
    deadline = float("inf")
    while True:
        codes = [child.poll() for child in children]
        failed = [code for code in codes if code]
        if failed and first is None:
            first, deadline = failed[0], time.monotonic() + GRACE_S
            # The others would wait for it for ever: those that can still save do.
            for child in children:
                if child.poll() is None:
                    child.terminate()
        if all(code is not None for code in codes) or time.monotonic() > deadline:
            code = first or 0
            return code if code >= 0 else 128 - code
        time.sleep(POLL_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
