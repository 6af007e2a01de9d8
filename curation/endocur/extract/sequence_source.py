"""Numbered pictures as a `Source`, of which only those that will be kept are opened; and a video at another rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from endocur.configs import ExtractConfig
from endocur.extract.sampling import Every, Ticks
from endocur.extract.sequence_track import Timing, Track, spread
from endocur.extract.source import Damage, Frame, Moment, Source, Unreadable
from endocur.extract.stills import read_still
from endoshards.errors import in_words

GAP_US = 10_000_000
"""A hole in the numbers of more than this starts anew: no motion is measured across it, and its end is flagged."""


class NumberedPictures:
    """A sequence: pts = (number - first) x step / fps. A hole in the numbers is a hole in time."""

    def __init__(
        self, track: Track, timing: Timing, config: ExtractConfig, pulse: Callable[[], None] | None = None
    ) -> None:
        """`config` says which pictures are kept; `pulse` is called while others are passed over or looked at."""
        self.damage = Damage()
        self.passed = 0
        """Pictures that were not opened, for none of them is kept."""
        self.last_us = 0
        """When the last picture is shown, of those within `--minutes`."""
        self._track, self._timing, self._config = track, timing, config
        self._pulse = pulse or (lambda: None)

    def probe(self, count: int) -> Iterator[Frame]:
        """Pictures spread over the whole sequence; a damaged one is left out. See `Source.probe`."""
        given, reason = 0, "there are no pictures"
        for index in spread(len(self._track), count):
            self._pulse()
            try:
                frame = self._read(index, Moment(0), follows=False)
            except Unreadable as error:
                reason = str(error)
                continue
            given += 1
            yield frame
        if not given:
            raise Unreadable(f"no picture of it can be read ({reason})")

    def frames(self) -> Iterator[Frame]:
        """The pictures that are kept. One that cannot be read is damage, and the next one takes its place."""
        self.damage, self.passed, self.last_us = Damage(), 0, 0
        ticks = _ticks(self._config)
        end_us = _end_us(self._config)
        before_us, opened_before, owed, gap = 0, False, False, False
        for index in range(len(self._track)):
            us = self._timing.us(self._track.count(index))
            if end_us is not None and us >= end_us:
                return
            gap = gap or us - before_us > GAP_US
            follows = opened_before and us - before_us <= GAP_US
            before_us = self.last_us = us
            if index % 4096 == 0:
                self._pulse()
            wanted = ticks.wants(us)
            if not wanted and not owed:
                opened_before = False
                self.passed += 1
                continue
            try:
                frame = self._read(index, Moment(us, True, "gap" if gap else ""), follows=follows)
            except Unreadable:
                self.damage.corrupt += 1
                opened_before, owed = False, True
                continue
            opened_before, owed, gap = True, False, False
            yield frame

    def _read(self, index: int, moment: Moment, *, follows: bool) -> Frame:
        try:
            data = self._track.path(index).read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be read ({in_words(error)})") from None
        still = read_still(data)
        return Frame(moment, still.shape, still.planes, follows)


class Retimed:
    """A video whose container has the wrong rate: pts = place x step / fps, whatever its time stamps say."""

    def __init__(self, video: Source, timing: Timing) -> None:
        """`video` must give each of its frames."""
        self._video, self._timing = video, timing

    @property
    def damage(self) -> Damage:
        """That of the video."""
        return self._video.damage

    @damage.setter
    def damage(self, value: Damage) -> None:
        self._video.damage = value

    def probe(self, count: int) -> Iterator[Frame]:
        """See `Source.probe`."""
        return self._video.probe(count)

    def frames(self) -> Iterator[Frame]:
        """All frames with their made times."""
        for index, frame in enumerate(self._video.frames()):
            yield replace(frame, moment=Moment(self._timing.us(index), True))


def picked(track: Track, timing: Timing, config: ExtractConfig) -> int:
    """How many pictures of a sequence are opened and kept."""
    ticks, end_us = _ticks(config), _end_us(config)
    count = 0
    for index in range(len(track)):
        us = timing.us(track.count(index))
        if end_us is not None and us >= end_us:
            break
        count += ticks.wants(us)
    return count


def _ticks(config: ExtractConfig) -> Ticks | Every:
    return Every() if config.all_frames else Ticks(config.fps)


def _end_us(config: ExtractConfig) -> int | None:
    return None if config.minutes is None else round(config.minutes * 60_000_000)
