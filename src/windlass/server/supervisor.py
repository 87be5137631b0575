"""Starts the children, starts them again when they die, stops them in order.

Run by start.py in the first process, and nothing else runs there.

Why it forks, and why it is no asyncio program. Each role loads some 40 MB of libraries, which
forks of one loaded parent share, and a fork is ready in milliseconds where a new interpreter
takes most of a second. But fork is safe only in a process with one thread and no running loop, so
this one waits in a selector for three things: a signal, a child's message, a moment. Whatever
needs the database is done by the keeper, a child like the others.

The keeper comes first and goes last. The listening socket is opened here and inherited, so that
connections wait in its backlog while a dead API process is replaced.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from windlass.server import process
from windlass.server.channel import Channel, Failed, Message, Ready, Release, Stop, pair

log = structlog.get_logger(__name__)

RESTART_PAUSES_S = (0.0, 0.25, 0.5, 1.0, 1.5, 5.0, 10.0, 30.0)
"""By the number of deaths in a row; the promise is 2 s for one that had been living."""

LIVING_S = 5.0
"""A child that lived this long had a good start: its deaths are counted anew."""

TOLD_PAUSE_S = 0.25
STOP_SLACK_S = 15.0
KEEPER_STOP_S = 40.0
EXIT_OK = 0
EXIT_ENGINE = 1
EXIT_SETTINGS = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Slot:
    """A child that should always be there."""

    role: str
    number: int = 1

    @property
    def name(self) -> str:
        """As in "worker 2"."""
        return self.role if self.role in ("keeper", "api") else f"{self.role} {self.number}"


KEEPER = Slot("keeper")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass
class Child:
    """One process in a slot. Its id names it in the database; it is never used again."""

    slot: Slot
    id: str
    pid: int
    channel: Channel
    started: float
    ready: bool = False
    silent: bool = False
    """Its end of the channel is closed: nothing more will come."""


@dataclass(frozen=True)
class Birth:
    """What a child is told: who it is, the database's address, how it reaches us.

    `alone` is true for the first keeper: nobody else uses an embedded database yet.
    """

    slot: Slot
    id: str
    dsn: str
    channel: Channel
    alone: bool


@dataclass(frozen=True)
class Plan:
    """What to run. `body` runs a child until it ends and returns its exit status; `load` brings
    in what children other than the keeper need, while that starts the database."""

    slots: tuple[Slot, ...]
    body: Callable[[Birth], int]
    announce: Callable[[], None]
    grace_s: float
    listeners: tuple[socket.socket, ...] = ()
    load: Callable[[], None] = lambda: None


@dataclass
class _Stop:
    status: int
    kill_at: float
    keeper_told: bool = False


@dataclass
class Supervisor:
    """One run of a server: `run` returns its exit status."""

    plan: Plan
    _children: dict[int, Child] = field(default_factory=dict)
    _due: dict[Slot, float] = field(default_factory=dict)
    _deaths: dict[Slot, int] = field(default_factory=dict)
    _dsn: str = ""
    _announced: bool = False
    _keepers: int = 0
    _releases: list[Release] = field(default_factory=list)
    _stop: _Stop | None = None
    _failure: str = ""

    def run(self) -> int:
        """Runs until a signal says stop or a first start fails; every child is gone then."""
        self._pid = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._take_signals()
        self._due[KEEPER] = time.monotonic()
        try:
            self._start_due()
            self.plan.load()
            while not self._finished():
                self._turn()
        finally:
            for pid in self._children:
                _signal(pid, signal.SIGKILL)
        if self._failure:
            sys.stderr.write(f"windlass: {self._failure}\n")
        return self._stop.status if self._stop else EXIT_ENGINE

    def _finished(self) -> bool:
        return self._stop is not None and not self._children

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            if key.data is None:
                self._on_signals(self._wake_in.recv(4096))
            else:
                self._on_channel(key.data)
        self._start_due()
        self._stop_step()

    def _patience(self) -> float | None:
        moments = [*self._due.values()] if self._stop is None else [self._stop.kill_at]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    # ------------------------------------------------------------ signals

    def _take_signals(self) -> None:
        """Signals become bytes on a socket, read between two turns: nothing is interrupted."""
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, _noted)
        self._selector.register(self._wake_in, selectors.EVENT_READ)

    def _on_signals(self, numbers: bytes) -> None:
        # Of signals that came together the deaths are heard of first, as the kernel has it: but
        # who dies of a signal that we got as well shall not be replaced.
        for number in numbers.replace(bytes([signal.SIGCHLD]), b""):
            if self._stop is None:
                log.info("stopping", reason=signal.Signals(number).name, grace_s=self.plan.grace_s)
                self._begin_stop(EXIT_OK)
            else:
                self._stop_at_once()
        self._reap()

    # ------------------------------------------------------------ births

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in [slot for slot, due in self._due.items() if due <= now]:
            if self._stop is None and (self._dsn or slot == KEEPER):
                del self._due[slot]
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        ours, theirs = pair()
        id = f"{socket.gethostname()}-{self._pid}-{slot.role}{slot.number}-{os.urandom(4).hex()}"
        birth = Birth(slot, id, self._dsn, theirs, alone=self._keepers == 0)
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal to a child that still has our handlers would be written to our wake-up socket.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._be_child(birth)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        self._keepers += slot == KEEPER
        child = Child(slot, id, pid, ours, time.monotonic())
        self._children[pid] = child
        self._selector.register(ours, selectors.EVENT_READ, child)
        log.debug("child_started", child=slot.name, pid=pid)

    def _be_child(self, birth: Birth) -> None:
        """Never returns: the parent's stack above us is not ours to unwind."""
        status = EXIT_ENGINE
        try:
            process.forget_signals(*([signal.SIGTERM] if birth.slot == KEEPER else []))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            process.die_with(self._pid)
            process.rename("windlass", *birth.slot.name.split())
            # Siblings' ends would hide their death; the listeners are for the API alone.
            for child in self._children.values():
                child.channel.close()
            if birth.slot.role != "api":
                self._close_listeners()
            self._selector.close()
            self._wake_in.close()
            self._wake_out.close()
            status = self.plan.body(birth)
        except BaseException:
            log.exception("child_crashed")
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    # ------------------------------------------------------------ news

    def _on_channel(self, child: Child) -> None:
        if child.silent:
            return
        messages = child.channel.receive()
        if messages is None:
            child.silent = True
            self._selector.unregister(child.channel)
            return
        for message in messages:
            self._on_message(child, message)

    def _on_message(self, child: Child, message: Message) -> None:
        if isinstance(message, Failed):
            self._on_failed(child, message)
        elif isinstance(message, Ready):
            child.ready = True
            if child.slot == KEEPER:
                self._on_database(message.dsn)
            if not self._announced and self._all_ready():
                self._announced = True
                self.plan.announce()

    def _on_failed(self, child: Child, failed: Failed) -> None:
        """Before the server has ever been ready its operator is there to read; after that a
        passing trouble such as a full disk must not end it."""
        if self._announced:
            log.error("child_failed", child=child.slot.name, reason=failed.message)
            return
        self._failure = self._failure or failed.message
        if self._stop is None:
            self._begin_stop(EXIT_SETTINGS if failed.by_settings else EXIT_ENGINE)

    def _on_database(self, dsn: str) -> None:
        if not self._dsn:
            self._due.update(dict.fromkeys(self.plan.slots, time.monotonic()))
        elif dsn != self._dsn:
            log.warning("database_moved")
            for child in self._children.values():
                if child.slot != KEEPER:
                    _signal(child.pid, signal.SIGTERM)
        self._dsn = dsn
        self._tell_releases()

    def _all_ready(self) -> bool:
        ready = {child.slot for child in self._children.values() if child.ready}
        return ready.issuperset({KEEPER, *self.plan.slots})

    # ------------------------------------------------------------ deaths

    def _reap(self) -> None:
        """Collects every dead child, and orphans too where we are the first process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.get(pid)
            if child is not None:
                self._on_death(child, status)

    def _on_death(self, child: Child, status: int) -> None:
        self._on_channel(child)  # its last words may still be there
        if not child.silent:
            child.silent = True
            self._selector.unregister(child.channel)
        child.channel.close()
        del self._children[child.pid]
        unasked = status != 0  # a worker that ends well has released its tasks itself
        if child.slot.role == "worker" and unasked:
            self._releases.append(Release(child.id))
            self._tell_releases()
        if self._stop is not None:
            return
        now = time.monotonic()
        lived_s = now - child.started
        deaths = 0 if lived_s >= LIVING_S else self._deaths.get(child.slot, 0)
        pause_s = RESTART_PAUSES_S[min(deaths, len(RESTART_PAUSES_S) - 1)]
        if not unasked:
            # Somebody told the whole group to stop; our own signal is on its way.
            pause_s = max(pause_s, TOLD_PAUSE_S)
        self._deaths[child.slot] = deaths + 1
        self._due[child.slot] = now + pause_s
        log.error(
            "child_died",
            child=child.slot.name,
            pid=child.pid,
            cause=process.wait_status(status),
            lived_s=round(lived_s, 1),
            restart_in_s=pause_s,
        )

    def _tell_releases(self) -> None:
        while self._releases and self._tell_keeper(self._releases[0]):
            del self._releases[0]

    def _tell_keeper(self, message: Message) -> bool:
        """Not by signals: service managers send theirs to the whole group, the keeper included,
        which must outlive the others."""
        keeper = next((one for one in self._children.values() if one.slot == KEEPER), None)
        return keeper is not None and keeper.channel.send(message)

    # ------------------------------------------------------------ the end

    def _begin_stop(self, status: int) -> None:
        self._stop = _Stop(status, time.monotonic() + self.plan.grace_s + STOP_SLACK_S)
        self._close_listeners()
        ordered = sorted(self._children.values(), key=lambda child: child.slot.role != "api")
        for child in ordered:
            if child.slot != KEEPER:
                _signal(child.pid, signal.SIGTERM)

    def _stop_step(self) -> None:
        """The keeper is told when the others are gone; whoever takes too long is killed."""
        if self._stop is None:
            return
        working = [child for child in self._children.values() if child.slot != KEEPER]
        if not working and not self._stop.keeper_told:
            self._stop.keeper_told = True
            self._stop.kill_at = time.monotonic() + KEEPER_STOP_S
            self._tell_keeper(Stop())
        elif time.monotonic() >= self._stop.kill_at:
            self._stop.kill_at = time.monotonic() + KEEPER_STOP_S
            for child in working or list(self._children.values()):
                log.error("child_killed", child=child.slot.name, reason="it did not stop in time")
                _signal(child.pid, signal.SIGKILL)

    def _stop_at_once(self) -> None:
        """A second Ctrl-C."""
        assert self._stop is not None
        self._stop.status = EXIT_INTERRUPTED
        for child in self._children.values():
            if child.slot != KEEPER:
                _signal(child.pid, signal.SIGKILL)
        self._tell_keeper(Stop())
        self._tell_keeper(Stop())
        self._stop.keeper_told = True

    def _close_listeners(self) -> None:
        for listener in self.plan.listeners:
            listener.close()


def _noted(_number: int, _frame: object) -> None:
    """A handler must exist for the wake-up socket to be written."""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
