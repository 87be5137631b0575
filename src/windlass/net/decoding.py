"""Undoes the content codings of one body, piece by piece and never beyond a limit.

Called by every driver that receives raw bytes. Keeps whatever could be read and says what was
wrong; it never raises for what a site sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from windlass.errors import (
    BadEncoding,
    BodyTooLarge,
    BodyTruncated,
    DecompressionBomb,
    TargetError,
)
from windlass.model.page import Failure
from windlass.net.inflating import CODINGS, UNSUPPORTED, Coding, Engine

SLICE = 4096
"""The most a decompressor is given at a time, in bytes."""
STEP = 1_048_576
"""Output between two steps, in bytes: a few milliseconds of work."""
BOMB_RATIO = 100
"""Output per byte received above which too large an answer counts as a bomb. Text reaches 30."""
_MAX_LAYERS = 5
_MAX_MEMBERS = 1024
_MAX_JUNK = 65_536
_REPLAYABLE = 262_144


class _Layer:
    """One coding of one body. `flaw` says what was wrong with it; `done` = no more can come.

    `taken` and `made` count the bytes it read and put out.
    """

    def __init__(self, coding: Coding, slice_bytes: int) -> None:
        self.taken = 0
        self.made = 0
        self.done = False
        self.flaw: TargetError | None = None
        self._coding = coding
        self._slice = slice_bytes
        self._engine: Engine | None = None
        self._plain = False
        self._start = b""
        self._members = 0
        self._member_made = 0
        self._raw = bytearray()
        """What the current member was fed, for replay, while that is little."""

    @property
    def inside(self) -> bool:
        """Whether the data so far stop within a member."""
        return self._engine is not None or bool(self._start)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The output for more input, in bounded pieces; nothing more once `done`."""
        for begin in range(0, len(data), self._slice):
            part = data[begin : begin + self._slice]
            self.taken += len(part)
            while part and not self.done:
                if self._plain:
                    yield part
                    break
                if self._engine is None:
                    part = self._begin(part)
                    continue
                yield from self._run(self._engine, part)
                part = self._end_member() if self._engine.ended else b""

    def _begin(self, part: bytes) -> bytes:
        """Opens the member that `part` starts; returns the input not used up by looking."""
        self._start += part
        if len(self._start) < self._coding.magic:
            return b""
        part, self._start = self._start, b""
        self._engine = self._coding.open(part)
        if self._engine is None and self._members:
            self.done = True  # junk behind the last member, which everybody ignores
        elif self._engine is None:
            self._plain = True
            self.flaw = BadEncoding(f"The answer is labelled {self._coding.name} but is not.")
        return part

    def _run(self, engine: Engine, part: bytes) -> Iterator[bytes]:
        if len(self._raw) <= _REPLAYABLE:
            self._raw += part
        try:
            while out := engine.pull(part):
                self._member_made += len(out)
                yield out
                part = b""
        except Exception as error:  # noqa: BLE001 - three libraries, three unrelated classes
            yield from self._salvage(len(part) or self._slice)
            if not self.done:
                self.done = True
                self.flaw = BadEncoding(
                    f"The answer's {self._coding.name} data are damaged: {error}"
                )

    def _salvage(self, last: int) -> Iterator[bytes]:
        """What the failed call had decoded before it hit the damage and raised.

        Decodes the member again, the last part byte by byte, and skips what was put out before.
        `done` afterwards means that it was whole and only followed by junk.
        """
        if len(self._raw) > _REPLAYABLE or (engine := self._coding.open(bytes(self._raw))) is None:
            return
        split = max(0, len(self._raw) - last)
        steps = [bytes(self._raw[:split]), *(bytes((byte,)) for byte in self._raw[split:])]
        skip = self._member_made
        try:
            for out in _pulled(engine, steps):
                if fresh := out[skip:]:
                    yield fresh
                skip = max(0, skip - len(out))
        except Exception:  # noqa: BLE001 - the damage again, already known
            return
        self.done = engine.ended

    def _end_member(self) -> bytes:
        """Closes the finished member; returns the input behind it."""
        assert self._engine is not None
        rest = self._engine.rest
        self._engine = None
        self._raw.clear()
        self._member_made = 0
        self._members += 1
        if not self._coding.repeats or self._members >= _MAX_MEMBERS:
            self.done = True
        return rest


class Body(msgspec.Struct, frozen=True):
    """A body with its codings undone. `failure` is set when it is not whole or not sound."""

    data: bytes
    failure: Failure | None = None


class BodyDecoder:
    """Collects one body of at most `limit_bytes`, before and after each of its codings.

    `codings` is the Content-Encoding field ("gzip, br": applied in that order). Feed it as bytes
    arrive, stop when `feed` says so, then take the result of `finish`.
    """

    def __init__(self, codings: str, limit_bytes: int) -> None:
        names = [name for part in codings.split(",") if (name := part.strip().lower())]
        names = [name for name in names if name != "identity"]
        self.unknown = tuple(
            name for name in names if name not in CODINGS and name not in UNSUPPORTED
        )
        """Names that mean nothing; the body is taken as it came."""
        self.wants_more = True
        self._limit = limit_bytes
        self._wire = 0
        self._junk = 0
        """Bytes received behind the end of the data."""
        self._body = bytearray()
        self._flaw: TargetError | None = None
        self._layers: list[_Layer] = []
        known = [name for name in names if name not in self.unknown]
        if foreign := next((name for name in known if name in UNSUPPORTED), None):
            self._flaw = BadEncoding(f"The answer's coding {foreign!r} is not supported.")
        elif len(known) > _MAX_LAYERS:
            self._flaw = BadEncoding(f"The answer is encoded {len(known)} times over.")
        else:
            # Slices are so small that one bomb slice cannot hide its ratio behind its own size.
            step = max(64, min(SLICE, limit_bytes // (4 * BOMB_RATIO)))
            self._layers = [_Layer(CODINGS[name], step) for name in reversed(known)]

    def feed(self, data: bytes) -> bool:
        """Takes in received bytes. False: reading on is of no use, close the connection."""
        for _ in self.steps(data):
            pass
        return self.wants_more

    def steps(self, data: bytes) -> Iterator[None]:
        """The same in steps of about STEP bytes of output, for callers that share their thread.

        Sets `wants_more` at its end; to be run to it.
        """
        if self._done:
            self._junk += len(data)
            self.wants_more = self._junk <= _MAX_JUNK and self._flaw is None
            return
        room = max(0, self._limit - self._wire)
        self._wire += len(data)
        too_long = len(data) > room
        fresh = 0
        for piece in self._through(0, data[:room] if too_long else data):
            self._body += piece
            fresh += len(piece)
            if fresh >= STEP:
                fresh = 0
                yield
        if too_long:
            self._flaw = self._flaw or self._too_large()
        self.wants_more = not too_long and (self._flaw is None or not self._done)

    @property
    def _done(self) -> bool:
        return any(layer.done for layer in self._layers)

    @property
    def _unfinished(self) -> bool:
        """Whether a coding lacks data that another one, nearer to the body, would still use."""
        for layer in reversed(self._layers):
            if layer.done or layer.inside:
                return not layer.done
        return False

    def _through(self, depth: int, data: bytes) -> Iterator[bytes]:
        if depth == len(self._layers):
            yield data
            return
        layer = self._layers[depth]
        for piece in layer.pieces(data):
            room = self._limit - layer.made
            layer.made += len(piece)
            yield from self._through(depth + 1, piece[:room])
            if len(piece) > room:
                layer.done = True
                self._flaw = self._flaw or self._overflow(layer.made)
            if self._done:
                break
        self._flaw = self._flaw or layer.flaw

    def _overflow(self, made: int) -> TargetError:
        taken = self._layers[0].taken
        if made > BOMB_RATIO * taken:
            return DecompressionBomb(
                f"The answer inflates from {taken:,} to more than {self._limit:,} bytes."
            )
        return self._too_large()

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The answer is larger than {self._limit:,} bytes.")

    def finish(self, cut: TargetError | None = None) -> Body:
        """The body. `cut` is why the transfer ended early, if it did.

        The failure is the first that applies of: too large, damaged, cut short.
        """
        flaw = self._flaw or cut
        if flaw is None and self._unfinished:
            flaw = BodyTruncated("The answer's compressed data end early.")
        return Body(bytes(self._body), Failure.of(flaw) if flaw else None)


def _pulled(engine: Engine, steps: Iterable[bytes]) -> Iterator[bytes]:
    """What an engine makes of these inputs until it has ended."""
    for step in steps:
        data = step
        while not engine.ended and (out := engine.pull(data)):
            data = b""
            yield out
