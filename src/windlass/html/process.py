"""The parent's handle on one page-reading process: start it, feed it, know why it died.

Used by pool.py only. It answers requests strictly in order, which is how a crash or an endless
loop is pinned on the one page that caused it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

import windlass
from windlass.errors import ParserCrashed, ParseTimeout, TargetError, WindlassError
from windlass.html.frames import FAILED, READY, REPLY, REQUEST, RETIRE, Terms

_READ_BYTES = 262_144
_START = (
    "import sys\n"
    "sys.path[:] = sys.argv[8:]\n"
    "from windlass.html.frames import Terms\n"
    "from windlass.html.child import serve\n"
    "link, parent, entry, *numbers = sys.argv[1:8]\n"
    "serve(Terms(int(link), int(parent), entry, *map(int, numbers)))\n"
)
# One arena and an early trim: between two pages a child should be as small as when it started.
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000",
}


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How far page-reading processes may go. Sizes are bytes, times seconds."""

    children: int = 1
    memory: int = 2_000_000_000
    """Address space of one process."""
    reply: int = 512_000_000
    """Largest answer taken from one."""
    pages: int = 5000
    """Pages after which a process is replaced."""
    growth: int = 128_000_000
    """Memory it may keep above what it started with before it is replaced."""
    depth: int = 4
    """Requests sent ahead, so that it never waits for its parent."""
    ahead: int = 1_000_000
    """Bytes sent ahead; one request may be larger."""
    waiting: int = 256
    """Calls that may wait for a process; more wait for a place in the queue."""
    start_s: float = 30.0
    """Time until a new process must be ready."""
    nice: int = 0
    """How far its processes stand back for others that want the CPU, as in nice(1)."""
    idle_s: float = 60.0
    """Time without a call after which a process is stopped."""


class Call:
    """One request on its way. `frame` is the payload, `answer` what the caller waits for."""

    __slots__ = ("answer", "deadline_s", "frame", "lost")

    def __init__(self, frame: bytes, deadline_s: float, answer: asyncio.Future[bytes]) -> None:
        self.frame = frame
        self.deadline_s = deadline_s
        self.answer = answer
        self.lost = 0
        """Processes that died of something else while they had this request."""

    def fail(self, error: WindlassError) -> None:
        """Tells the caller, if there still is one."""
        if not self.answer.done():
            self.answer.set_exception(error)


Events = Callable[["ReaderProcess"], None]


class ReaderProcess(asyncio.Protocol):
    """One child. `changed` is called when it can take more, or has died (`dead` is then true)."""

    def __init__(self, entry: str, limits: PoolLimits, changed: Events) -> None:
        self.calls: deque[Call] = deque()
        """Sent and not answered, oldest first: the first is the one being read."""
        self.ready = False
        self.retiring = False
        self.dead = False
        self.exit_code: int | None = None
        self._limits = limits
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._ahead = 0
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._killed_for: TargetError | None = None
        self._ours, theirs = socket.socketpair()
        with theirs:
            terms = Terms(
                theirs.fileno(),
                os.getpid(),
                entry,
                limits.memory,
                limits.pages,
                limits.growth,
                limits.nice,
            )
            self._process = _spawn(terms)
        # The transport closes its own when a write fails, whatever there is left to read.
        self._rest = self._ours.dup()
        # Opened before anything can reap the child; readable once it has exited.
        has_pidfd = hasattr(os, "pidfd_open")
        self._pidfd = os.pidfd_open(self._process.pid) if has_pidfd else None

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    # ------------------------------------------------------------ life

    async def connect(self) -> None:
        """Attaches the socket to the loop; `changed` tells when the child is ready."""
        self._watch(self._limits.start_s)
        self._ours.setblocking(False)
        await self._loop.create_unix_connection(lambda: self, sock=self._ours)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._watch(self._limits.start_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await_end()

    def stop(self) -> None:
        """Lets the child end once it has answered: closing the socket is the signal."""
        self.retiring = True
        if not self.calls and self._transport is not None:
            self._transport.close()

    def kill(self, reason: TargetError | None = None) -> None:
        """Ends the child now; `reason` is what the page being read is told."""
        self._killed_for = self._killed_for or reason
        self.retiring = True
        self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    def _await_end(self) -> None:
        # A child whose socket is gone is of no use, whatever it is doing; one that is dying of a
        # signal keeps the exit code it has.
        self._process.kill()
        if self._pidfd is None:
            self._ended()
        else:
            self._loop.add_reader(self._pidfd, self._ended)

    def _ended(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        self.exit_code = self._process.wait()
        self._read_rest()
        self.dead = True
        if self._timer is not None:
            self._timer.cancel()
        self._changed(self)

    def _read_rest(self) -> None:
        """What the child answered before it died, lest its pages count as those that killed it."""
        self.retiring = True
        self._rest.setblocking(False)
        try:
            while data := self._rest.recv(_READ_BYTES):
                self.data_received(data)
        except (BlockingIOError, ConnectionResetError):
            pass  # there is no more
        finally:
            self._rest.close()

    # ------------------------------------------------------------ requests and replies

    @property
    def room(self) -> bool:
        """Whether another request may be sent ahead."""
        if not self.ready or self.retiring:
            return False
        limits = self._limits
        return not self.calls or (len(self.calls) < limits.depth and self._ahead < limits.ahead)

    def send(self, call: Call) -> None:
        """Sends a request; only while there is room."""
        assert self._transport is not None
        self.calls.append(call)
        if len(self.calls) == 1:
            self._since = self._loop.time()
            self._watch(call.deadline_s)
        self._ahead += len(call.frame)
        self._transport.writelines((REQUEST.pack(len(call.frame)), call.frame))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        taken = 0
        while len(buffer) - taken >= REPLY.size:
            size, flags = REPLY.unpack_from(buffer, taken)
            if size > self._limits.reply:
                self.kill(ParserCrashed("The page could not be read: what it makes is too large"))
                return
            end = taken + REPLY.size + size
            if len(buffer) < end:
                break
            self._received(bytes(memoryview(buffer)[taken + REPLY.size : end]), flags)
            taken = end
        if taken:
            del buffer[:taken]
            self._since = self._loop.time()
            self._watch(self._patience)
            self._changed(self)

    def _received(self, payload: bytes, flags: int) -> None:
        if flags & READY:
            self.ready = True
            return
        call = self.calls.popleft()
        self._ahead -= len(call.frame)
        if flags & FAILED:
            reason = payload.decode("utf-8", "replace")
            call.fail(ParserCrashed(f"The page could not be read: {reason}"))
        elif not call.answer.done():
            call.answer.set_result(payload)
        if flags & RETIRE or self.retiring:
            self.stop()

    # ------------------------------------------------------------ deadlines

    def _watch(self, seconds: float) -> None:
        """One timer serves start, page and idle deadlines: it looks, and sleeps on if too early.

        Setting a timer for each page would cost more than many a page takes to read.
        """
        if self._timer is not None:
            if self._timer.when() <= self._loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    @property
    def _patience(self) -> float:
        """Seconds that what the child is doing now may take."""
        if not self.ready:
            return self._limits.start_s
        return self.calls[0].deadline_s if self.calls else self._limits.idle_s

    def _look(self) -> None:
        self._timer = None
        left = self._since + self._patience - self._loop.time()
        if left > 0:
            self._watch(left)
        elif self.calls:
            limit = self.calls[0].deadline_s
            self.kill(ParseTimeout(f"Reading the page took longer than {limit:g} s"))
        elif self.ready:
            self.stop()
        else:
            self.kill()

    def culprit(self) -> tuple[Call, TargetError] | None:
        """The request that this dead child died of and what to tell its caller, if it was one."""
        if not self.calls or not self.ready:
            return None
        head = self.calls[0]
        if self._killed_for is not None:
            return head, self._killed_for
        if self.exit_code == -9 and not head.lost:
            # Somebody else's kill (an operator, memory pressure): the page gets another chance.
            return None
        return head, ParserCrashed(f"The page crashed the parser (exit code {self.exit_code})")


def _spawn(terms: Terms) -> subprocess.Popen[bytes]:
    """A fresh interpreter: no site, no environment, no descriptor but its end of the socket.

    Without site-packages' start-up hooks it is half the size; it gets our import path instead.
    """
    root = str(Path(windlass.__file__).parent.parent)
    paths = [root, *(os.path.abspath(path) for path in sys.path if path != root)]  # noqa: PTH100
    arguments = [str(term) for term in terms]
    return subprocess.Popen(
        [sys.executable, "-S", "-E", "-s", "-P", "-c", _START, *arguments, *paths],
        stdin=subprocess.DEVNULL,
        pass_fds=(terms.link,),
        env=_ENVIRONMENT,
        cwd="/",
    )
