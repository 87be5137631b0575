"""A page may crash, spin or eat memory: it costs itself, never its neighbours or the parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.waiting import eventually, eventually_async
from windlass.errors import EngineError, ParserCrashed, ParseTimeout
from windlass.html.pool import PoolLimits, ReaderPool

LOOPS = ("asyncio", "uvloop")
FAULTS = "tests.support.page_faults:read"


@contextlib.asynccontextmanager
async def a_pool(**limits: object) -> AsyncIterator[ReaderPool]:
    pool = ReaderPool(FAULTS, PoolLimits(**limits))  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.aclose()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_answers_come_back_to_the_call_that_asked() -> None:
    async with a_pool() as pool:
        asked = [f"echo page {number}".encode() for number in range(200)]
        answers = await asyncio.gather(*(pool.call(one, 10) for one in asked))
    assert answers == [one.removeprefix(b"echo ") for one in asked]


async def test_no_process_runs_before_the_first_call() -> None:
    async with a_pool() as pool:
        assert pool.processes == ()


async def test_large_requests_and_answers_pass_whole() -> None:
    async with a_pool() as pool:
        body = os.urandom(30_000_000)
        assert await pool.call(b"echo " + body, 30) == body


@pytest.mark.parametrize("fault", [b"crash", b"leave"])
async def test_crash_costs_one_page_only(fault: bytes) -> None:
    async with a_pool() as pool:
        calls = [pool.call(word, 10) for word in (b"echo a", fault, b"echo b", b"echo c")]
        a, crashed, b, c = await asyncio.gather(*calls, return_exceptions=True)
    assert (a, b, c) == (b"a", b"b", b"c")
    assert isinstance(crashed, ParserCrashed)


async def test_an_answer_that_came_before_a_crash_counts_however_late_it_is_read() -> None:
    async with a_pool() as pool:
        await pool.call(b"echo warm", 10)
        (child,) = pool.processes
        calls = [asyncio.ensure_future(pool.call(word, 10)) for word in (b"echo a", b"crash")]
        await asyncio.sleep(0)
        # The loop is busy until the child has answered and died; then it writes to a dead child.
        eventually(lambda: not alive(child), "it dies")
        calls.append(asyncio.ensure_future(pool.call(b"echo b", 10)))
        a, crashed, b = await asyncio.gather(*calls, return_exceptions=True)
    assert (a, b) == (b"a", b"b")
    assert isinstance(crashed, ParserCrashed)


async def test_spinning_page_ends_at_its_deadline_and_neighbours_are_read() -> None:
    async with a_pool() as pool:
        await pool.call(b"echo warm", 10)
        started = time.monotonic()
        calls = [pool.call(b"spin", 0.3), pool.call(b"echo b", 10), pool.call(b"echo c", 10)]
        spun, b, c = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 5
    assert (b, c) == (b"b", b"c")
    assert isinstance(spun, ParseTimeout)


async def test_waiting_behind_slow_pages_does_not_count_against_a_page() -> None:
    async with a_pool() as pool:
        calls = [pool.call(b"nap 0.2", 0.4) for _ in range(4)]
        assert await asyncio.gather(*calls) == [b"rested"] * 4


async def test_memory_eating_page_fails_alone() -> None:
    async with a_pool(memory=400_000_000) as pool:
        calls = [pool.call(b"eat", 20), pool.call(b"echo b", 10)]
        ate, b = await asyncio.gather(*calls, return_exceptions=True)
    assert b == b"b"
    assert isinstance(ate, ParserCrashed)
    assert "memory" in ate.message


async def test_exception_of_the_reader_fails_the_page_and_keeps_the_process() -> None:
    async with a_pool() as pool:
        before = await pool.call(b"pid", 10)
        with pytest.raises(ParserCrashed, match="KeyError"):
            await pool.call(b"nonsense", 10)
        assert await pool.call(b"pid", 10) == before


async def test_page_whose_process_is_killed_by_somebody_else_is_read_again() -> None:
    async with a_pool() as pool:
        await pool.call(b"echo warm", 10)
        (pid,) = pool.processes
        call = asyncio.ensure_future(pool.call(b"nap 0.5", 10))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert await call == b"rested"
        assert pool.processes != (pid,)


async def test_process_is_replaced_after_its_share_of_pages() -> None:
    async with a_pool(pages=3) as pool:
        pids = await asyncio.gather(*(pool.call(b"pid", 10) for _ in range(12)))
        assert len(set(pids)) >= 2

        async def one_or_none() -> bool:
            return len(pool.processes) <= 1

        await eventually_async(one_or_none, "the old process is gone")


async def test_idle_process_is_stopped_and_comes_back_on_demand() -> None:
    async with a_pool(idle_s=0.1) as pool:
        first = await pool.call(b"pid", 10)

        async def stopped() -> bool:
            return pool.processes == () and not alive(int(first))

        await eventually_async(stopped, "the idle process is stopped")
        assert await pool.call(b"pid", 10) != first


async def test_calls_beyond_the_queue_wait_for_a_place() -> None:
    async with a_pool(waiting=2) as pool:
        calls = [pool.call(b"echo x", 10) for _ in range(20)]
        assert await asyncio.gather(*calls) == [b"x"] * 20


async def test_cancelled_call_leaves_no_trace() -> None:
    async with a_pool() as pool:
        await pool.call(b"echo warm", 10)
        calls = [asyncio.ensure_future(pool.call(b"nap 0.2", 10)) for _ in range(8)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        assert await pool.call(b"echo still", 10) == b"still"
        assert all(call.cancelled() for call in calls)


async def test_several_processes_share_the_work() -> None:
    async with a_pool(children=2) as pool:
        calls = [pool.call(b"nap 0.2", 10) for _ in range(4)]
        await asyncio.gather(*calls)
        assert len(pool.processes) == 2


async def test_too_large_an_answer_is_refused() -> None:
    async with a_pool(reply=1000) as pool:
        with pytest.raises(ParserCrashed, match="too large"):
            await pool.call(b"long 5000", 10)
        assert await pool.call(b"echo on", 10) == b"on"


async def test_entry_that_cannot_be_loaded_is_our_failure_and_ends() -> None:
    pool = ReaderPool("tests.support.page_faults:nothing", PoolLimits())
    with pytest.raises(EngineError):
        await pool.call(b"echo x", 10)
    await pool.aclose()


async def test_closing_fails_calls_under_way_and_leaves_no_process() -> None:
    async with a_pool() as pool:
        await pool.call(b"echo warm", 10)
        pids = pool.processes
        call = asyncio.ensure_future(pool.call(b"spin", 60))
        await asyncio.sleep(0)
    with pytest.raises(EngineError):
        await call
    assert not any(alive(pid) for pid in pids)


async def test_child_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDLASS_API_KEY", "hush")
    async with a_pool() as pool:
        assert b"hush" not in await pool.call(b"environment", 10)


def test_spinning_child_dies_with_a_killed_parent() -> None:
    program = f"""
        import asyncio
        from windlass.html.pool import ReaderPool

        async def main():
            pool = ReaderPool({FAULTS!r})
            print((await pool.call(b"pid", 10)).decode(), flush=True)
            await pool.call(b"spin", 600)

        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    eventually(lambda: not alive(child), "the child died too")
