"""What became of a unit's frames, as counts that add up and that a later run can go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

NOT_SAMPLED = "not sampled"
NOT_DECODED = "not decoded"
DAMAGED = "damaged"
UNSEEN_SHAPE = "shape not probed"


@dataclass
class Freezes:
    """Runs of frames that repeat the one before them; a run is one still picture, however long it stood."""

    runs: int = 0
    frames: int = 0
    """Repeats; the picture itself, the frame before a run, is not among them."""
    longest_us: int = 0
    """From the picture's first frame to its last repeat."""
    began_us: int | None = None
    """When the picture that is being repeated was first shown; None outside a run."""
    before_us: int | None = None

    def see(self, us: int, is_frozen: bool | None) -> None:
        """The next decoded frame."""
        if is_frozen:
            if self.began_us is None:
                self.runs += 1
                self.began_us = us if self.before_us is None else self.before_us
            self.frames += 1
            self.longest_us = max(self.longest_us, us - self.began_us)
        else:
            self.began_us = None
        self.before_us = us

    def told(self) -> dict[str, object]:
        """For the unit's marker."""
        return {"runs": self.runs, "frames": self.frames, "longest_s": self.longest_us / 1e6}


@dataclass
class Counts:
    """Frames of a unit; seen = kept + sum of dropped."""

    seen: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    last_us: int = 0
    """When the last frame seen is shown."""
    freezes: Freezes = field(default_factory=Freezes)

    def drop(self, reason: str, n: int = 1) -> None:
        """Count `n` dropped for `reason`."""
        if n:
            self.dropped[reason] = self.dropped.get(reason, 0) + n

    def value(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def counts_of(value: Mapping[str, Any]) -> Counts:
    """What `Counts.value` wrote."""
    counted = {name: value[name] for name in ("seen", "kept", "last_us")}
    return Counts(**{**counted, "dropped": dict(value["dropped"]), "freezes": Freezes(**value["freezes"])})
