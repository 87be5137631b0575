"""The private folders of databases: whose they are, and when they go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from windlass.storage.embedded import runtime

HOLD = """
import sys
from pathlib import Path
from windlass.storage.embedded import runtime
print(runtime.make(Path(sys.argv[1]), None).path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def base() -> Iterator[Path]:
    """A place for folders, with a name short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        yield Path(folder)


def left_folder(base: Path) -> Path:
    """A folder whose holder has ended without removing it."""
    made = runtime.make(base, None)
    (made.path / "file").write_text("")
    made.release()
    return made.path


def test_what_nobody_holds_is_removed(base: Path) -> None:
    folder = left_folder(base)
    runtime.remove_abandoned([base])
    assert not folder.exists()


def test_what_somebody_holds_stays_until_its_holder_is_killed(base: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, base], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        folder = Path(holder.stdout.readline().decode().strip())
        runtime.remove_abandoned([base])
        assert folder.is_dir()
        holder.kill()
    runtime.remove_abandoned([base])
    assert not folder.exists()


def test_a_folder_whose_socket_answers_stays(base: Path) -> None:
    folder = left_folder(base)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / runtime.SOCKET_NAME))
        listener.listen()
        runtime.remove_abandoned([base])
        assert folder.is_dir()
    runtime.remove_abandoned([base])  # the socket's file is still there
    assert not folder.exists()


@pytest.mark.parametrize("name", ["windlass-notes", "windlass-0123456789", "other-01234567"])
def test_folders_of_other_names_stay(base: Path, name: str) -> None:
    (base / name).mkdir()
    runtime.remove_abandoned([base])
    assert (base / name).is_dir()


def test_a_link_of_such_a_name_is_not_followed(base: Path) -> None:
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (base / "windlass-01234567").symlink_to(elsewhere)
    runtime.remove_abandoned([base])
    assert elsewhere.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another account")
def test_a_strangers_folder_stays(base: Path) -> None:
    folder = left_folder(base)
    os.chown(folder, 12345, 12345)
    runtime.remove_abandoned([base])
    assert folder.is_dir()


def test_one_that_cannot_be_removed_does_not_stop_the_others(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [left_folder(base) for _ in range(3)]
    remove = runtime.Runtime.remove

    def failing(self: runtime.Runtime) -> None:
        if self.path == folders[1]:
            self.release()
            raise PermissionError(13, "not today")
        remove(self)

    monkeypatch.setattr(runtime.Runtime, "remove", failing)
    runtime.remove_abandoned([base])
    assert [folder.exists() for folder in folders] == [False, True, False]


def test_an_earlier_runs_name_is_used_again_only_if_it_is_free(base: Path) -> None:
    former = left_folder(base)
    assert runtime.make(base, former).path != former
    runtime.remove_left(former)
    again = runtime.make(base, former)
    assert again.path == former
    runtime.remove_left(former)
    assert former.is_dir()
    again.remove()
    assert not former.exists()
