"""The command line as people and scripts use it: output, exit statuses, one line per error."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.server import COMMAND, WindlassServer, running
from tests.support.waiting import eventually

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """One server for all commands."""
    with running(tmp_path_factory.mktemp("cli") / "data", rate_limit="0") as started:
        yield started


def alone(
    *arguments: str, cwd: Path | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """A command without any server: only these settings, and a URL where nobody listens."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WINDLASS_", "NIMBLE_"))}
    given = {"ALLOW_ADDRESSES": "127.0.0.0/8", "URL": f"http://127.0.0.1:{free_port()}"} | settings
    return subprocess.run(
        [str(COMMAND), *arguments],
        capture_output=True,
        text=True,
        env=kept | {f"WINDLASS_{name.upper()}": value for name, value in given.items()},
        cwd=cwd,
        timeout=60,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error, which must be all that stderr holds."""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("windlass: ")
    return done.stderr.removeprefix("windlass: ").strip()


def submitted(server: WindlassServer, url: str) -> str:
    """The id of an asynchronous task."""
    answer = httpx.post(
        f"{server.url}/v1/extract/async",
        json={"url": url, "formats": ["markdown"]},
        headers={"Authorization": f"Bearer {server.api_key}"},
    )
    return str(answer.json()["task_id"])


# ---------------------------------------------------------------- help


@pytest.mark.alone
def test_help_is_quick_and_names_every_command_and_exit_status() -> None:
    began = time.monotonic()
    done = alone("--help")
    assert time.monotonic() - began < 2
    for word in ("serve", "extract", "tasks", "keys", "settings", "Exit status: 0"):
        assert word in done.stdout


@pytest.mark.parametrize("command", ["serve", "extract", "tasks list", "keys create", "settings"])
def test_every_command_explains_itself(command: str) -> None:
    done = alone(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage: windlass" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("fetch",), ("extract",), ("tasks", "get"), ("tasks", "list", "--limit", "0")]
)
def test_wrong_usage_is_status_2_without_a_traceback(arguments: tuple[str, ...]) -> None:
    done = alone(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


# ---------------------------------------------------------------- extract


def test_extract_prints_markdown(server: WindlassServer, origin: Origin) -> None:
    done = server.command("extract", origin.page("hello"))
    assert done.stdout.startswith("# Page hello\n")
    assert done.stderr == ""


def test_extract_prints_several_formats_as_json(server: WindlassServer, origin: Origin) -> None:
    done = server.command("extract", origin.page("hi"), "--format", "links", "--format", "html")
    shown = json.loads(done.stdout)
    assert set(shown) == {"links", "html"}
    assert origin.base + "/page/next-hi" in shown["links"]


def test_extract_with_json_prints_the_whole_answer(server: WindlassServer, origin: Origin) -> None:
    done = server.command("extract", origin.page("hi"), "--json")
    answer = json.loads(done.stdout)
    assert answer["status"] == "success"
    assert answer["data"]["markdown"].startswith("# Page hi")


def test_extract_writes_a_whole_file_or_none(
    server: WindlassServer, origin: Origin, tmp_path: Path
) -> None:
    out = tmp_path / "page.md"
    done = server.command("extract", origin.page("kept"), "--out", str(out))
    assert done.stdout == ""
    assert out.read_text().startswith("# Page kept")
    assert list(tmp_path.iterdir()) == [out]
    lost = server.command(
        "extract", origin.page("kept"), "--out", str(tmp_path / "no" / "page.md"), check=False
    )
    assert lost.returncode == 2
    assert "--out" in one_line(lost)


def test_extract_without_a_server_works_in_the_process_itself(origin: Origin) -> None:
    done = alone("extract", origin.page("alone"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# Page alone\n")
    assert done.stderr.startswith("no server at http://127.0.0.1:")


def test_extract_in_process_answers_as_a_server_does(
    server: WindlassServer, origin: Origin
) -> None:
    here = json.loads(alone("extract", origin.page("same"), "--format", "text", "--json").stdout)
    there = json.loads(
        server.command("extract", origin.page("same"), "--format", "text", "--json").stdout
    )
    for answer in (here, there):
        for name in ("task_id", "data"):
            answer.pop(name)
        for name in ("query_time", "query_duration"):
            answer["metadata"].pop(name)
    assert here == there


@pytest.mark.parametrize("where", ["server", "process"])
def test_a_refused_page_is_status_3(server: WindlassServer, where: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    run = server.command if where == "server" else None
    done = run("extract", url, check=False) if run else alone("extract", url, "--json")
    assert done.returncode == 3
    assert "refused" in one_line(done)
    assert done.stdout == ""


def test_a_missing_page_is_status_3_and_still_shown(server: WindlassServer, origin: Origin) -> None:
    done = server.command("extract", f"{origin.base}/status/404", "--format", "html", check=False)
    assert done.returncode == 3
    assert done.stdout.strip()
    assert "404" in one_line(done)


@pytest.mark.parametrize("where", ["server", "process"])
@pytest.mark.parametrize(
    ("url", "formats", "named"),
    [("ftp://example.com/", [], "url"), ("http://example.com/", ["--format", "pdf"], "formats")],
)
def test_a_wrong_request_is_status_2_and_names_the_field(
    server: WindlassServer, where: str, url: str, formats: list[str], named: str
) -> None:
    if where == "server":
        done = server.command("extract", url, *formats, check=False)
    else:
        done = alone("extract", url, *formats, "--json")
    assert done.returncode == 2
    assert named in one_line(done)


def test_extract_guards_addresses_without_a_server_too(origin: Origin) -> None:
    done = alone("extract", origin.page("x"), "--json", allow_addresses="")
    assert done.returncode == 3
    assert "not allowed" in one_line(done)
    assert not origin.visits("/page/x")


def test_a_pipe_that_closes_early_is_no_error(server: WindlassServer, origin: Origin) -> None:
    environment = server.environment() | {
        "WINDLASS_URL": server.url,
        "WINDLASS_API_KEY": server.api_key,
    }
    line = (
        f"set -o pipefail; {COMMAND} extract {origin.base}/size/5000000 --format html | head -c 1"
    )
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_a_short_answer_to_a_pipe_that_closes_early_is_no_error() -> None:
    """It is written whole when the command ends, after the library has done with it."""
    for reader in ("true", "head -n 1"):
        line = (
            f"set -o pipefail; for n in 1 2 3 4; do {COMMAND} settings | {reader} || exit 1; done"
        )
        done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_progress_is_shown_on_a_terminal_when_it_takes_long(
    server: WindlassServer, origin: Origin
) -> None:
    origin.delay_s = 2.5
    ours, theirs = pty.openpty()
    environment = server.environment() | {
        "WINDLASS_URL": server.url,
        "WINDLASS_API_KEY": server.api_key,
        "TERM": "xterm",
    }
    with subprocess.Popen(
        [str(COMMAND), "extract", origin.page("slow")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        shown = _everything(ours)
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"# Page slow")
    assert b"extracting http://127.0.0.1" in shown
    assert b"(1 s)" in shown or b"(2 s)" in shown


def _everything(terminal: int) -> bytes:
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        while select.select([stream], [], [], 30)[0]:
            try:
                chunk = stream.read(4096)
            except OSError:  # how a terminal says that the other end is closed
                break
            if not chunk:
                break
            shown += chunk
    return shown


# ---------------------------------------------------------------- tasks


def test_tasks_are_listed_newest_first_in_pages(server: WindlassServer, origin: Origin) -> None:
    ids = [submitted(server, origin.page(f"t{number}")) for number in range(3)]
    done = server.command("tasks", "list", "--limit", "2")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [ids[2], ids[1]]
    cursor = done.stderr.removeprefix("more: --cursor ").strip()
    rest = json.loads(server.command("tasks", "list", "--cursor", cursor, "--json").stdout)
    assert rest["data"][0]["id"] == ids[0]


def test_results_wait_until_the_task_has_ended(server: WindlassServer, origin: Origin) -> None:
    origin.hold()
    task = submitted(server, origin.page("waited"))
    early = server.command("tasks", "results", task, check=False)
    assert early.returncode == 4
    assert "not ready" in one_line(early)
    threading.Timer(1.0, origin.release).start()
    done = server.command("tasks", "results", task, "--wait")
    assert done.stdout.startswith("# Page waited")


def test_get_shows_a_task_and_fails_with_it(server: WindlassServer, origin: Origin) -> None:
    good = submitted(server, origin.page("good"))
    shown = json.loads(server.command("tasks", "get", good, "--wait", "--json").stdout)
    assert (shown["id"], shown["state"]) == (good, "success")
    bad = submitted(server, f"{origin.base}/status/410")
    failed = server.command("tasks", "get", bad, "--wait", check=False)
    assert failed.returncode == 3
    assert f"id\t{bad}" in failed.stdout
    assert "410" in one_line(failed)


def test_a_task_is_cancelled(server: WindlassServer, origin: Origin) -> None:
    origin.hold()
    task = submitted(server, origin.page("cancelled"))
    done = server.command("tasks", "cancel", task)
    assert (done.stdout, done.stderr) == ("", f"task {task} is canceled, unless it had ended\n")
    answer = server.command("tasks", "cancel", task, "--json").stdout
    assert json.loads(answer) == {"status": "canceled"}
    shown = server.command("tasks", "get", task, check=False)
    assert shown.returncode == 3
    assert one_line(shown) == "canceled"


@pytest.mark.parametrize("task", [MISSING, "nonsense", "../keys"])
@pytest.mark.parametrize("verb", ["get", "results", "cancel"])
def test_an_unknown_task_is_status_4(server: WindlassServer, verb: str, task: str) -> None:
    done = server.command("tasks", verb, task, check=False)
    assert done.returncode == 4
    assert "not found" in one_line(done).lower()


# ---------------------------------------------------------------- batches


def batched(server: WindlassServer, *urls: str) -> str:
    """The id of a batch."""
    answer = httpx.post(
        f"{server.url}/v1/extract/batch",
        json={"inputs": [{"url": url} for url in urls]},
        headers={"Authorization": f"Bearer {server.api_key}"},
    )
    return str(answer.json()["batch_id"])


def test_a_batch_is_waited_for_and_shown_in_the_order_of_its_inputs(
    server: WindlassServer, origin: Origin
) -> None:
    urls = [origin.page(f"b{number}") for number in range(3)]
    origin.hold()
    batch = batched(server, *urls)
    threading.Timer(1.0, origin.release).start()
    done = server.command("batches", "get", batch, "--wait")
    assert [line.split("\t")[4] for line in done.stdout.splitlines()] == urls
    assert {line.split("\t")[1] for line in done.stdout.splitlines()} == {"success"}
    assert done.stderr == "3 of 3 tasks have ended\n"
    answer = json.loads(server.command("batches", "get", batch, "--json").stdout)
    assert (answer["id"], answer["completed"]) == (batch, True)


def test_a_batch_fails_with_its_tasks(server: WindlassServer, origin: Origin) -> None:
    batch = batched(server, origin.page("fine"), f"{origin.base}/status/410")
    done = server.command("batches", "get", batch, "--wait", check=False)
    assert done.returncode == 3
    assert one_line(done) == "1 of 2 tasks failed"
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["success", "error"]


def test_batches_are_listed_newest_first_in_pages(server: WindlassServer, origin: Origin) -> None:
    ids = [batched(server, origin.page("l"), origin.page("m")) for _ in range(3)]
    done = server.command("batches", "list", "--limit", "2")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(row[0], row[2]) for row in rows] == [(ids[2], "2"), (ids[1], "2")]
    cursor = done.stderr.removeprefix("more: --cursor ").strip()
    rest = json.loads(server.command("batches", "list", "--cursor", cursor, "--json").stdout)
    assert rest["data"][0]["id"] == ids[0]


def test_a_batch_is_cancelled(server: WindlassServer, origin: Origin) -> None:
    origin.hold()
    batch = batched(server, *(origin.page(f"c{number}") for number in range(20)))
    done = server.command("batches", "cancel", batch)
    assert done.stderr == f"what had not ended of batch {batch} is canceled\n"
    answer = server.command("batches", "cancel", batch, "--json").stdout
    assert json.loads(answer) == {"status": "canceled"}
    shown = server.command("batches", "get", batch, check=False)
    assert one_line(shown) == "20 of 20 tasks failed"


@pytest.mark.parametrize("verb", ["get", "cancel"])
def test_an_unknown_batch_is_status_4(server: WindlassServer, verb: str) -> None:
    done = server.command("batches", verb, MISSING, check=False)
    assert (done.returncode, one_line(done)) == (4, "Batch not found")


# ---------------------------------------------------------------- keys


def test_a_key_lives_from_create_to_revoke(server: WindlassServer, origin: Origin) -> None:
    made = server.command("keys", "create", "--account", "guest")
    key = made.stdout.strip()
    assert key.startswith("wl_")
    listed = server.command("keys", "list").stdout
    assert key not in listed
    (row,) = (line.split("\t") for line in listed.splitlines() if "\tguest\t" in line)
    as_guest = {"url": server.url, "api_key": key}
    assert alone("tasks", "list", **as_guest).stdout == ""
    assert alone("keys", "list", **as_guest).returncode == 4, "only account main may"
    server.command("keys", "revoke", row[0])
    refused = eventually(
        lambda: done if (done := alone("tasks", "list", **as_guest)).returncode else None,
        "the key is refused everywhere",
        within_s=15,
    )
    assert refused.returncode == 5
    assert "WINDLASS_API_KEY" in one_line(refused)


def test_keys_speak_json(server: WindlassServer) -> None:
    made = json.loads(server.command("keys", "create", "--account", "robot", "--json").stdout)
    assert made["account"] == "robot"
    keys = json.loads(server.command("keys", "list", "--json").stdout)["data"]
    assert made["id"] in [key["id"] for key in keys]
    gone = json.loads(server.command("keys", "revoke", made["id"], "--json").stdout)
    assert gone == {"id": made["id"], "revoked": True}


def test_revoking_an_unknown_key_is_status_4(server: WindlassServer) -> None:
    done = server.command("keys", "revoke", MISSING, check=False)
    assert done.returncode == 4
    one_line(done)


# ---------------------------------------------------------------- which server, which key


def test_no_server_is_status_6_and_says_what_to_do() -> None:
    done = alone("tasks", "list")
    assert done.returncode == 6
    assert "windlass serve" in one_line(done)


def test_a_url_that_is_none_is_status_2() -> None:
    done = alone("tasks", "list", url="not a url")
    assert done.returncode == 2
    assert "WINDLASS_URL" in one_line(done)


def test_something_else_at_the_url_is_told(origin: Origin) -> None:
    done = alone("tasks", "list", url=f"{origin.base}/page/x?")
    assert done.returncode == 6
    assert "no Windlass" in one_line(done)


def test_commands_find_the_local_servers_key_and_port(server: WindlassServer) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WINDLASS_")}
    done = subprocess.run(
        [str(COMMAND), "keys", "list", "--data", str(server.data)],
        capture_output=True,
        text=True,
        env=kept | {"WINDLASS_PORT": str(server.port)},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\tmain\t" in done.stdout


# ---------------------------------------------------------------- settings


def test_settings_show_value_default_and_source_and_hide_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WINDLASS_SLOTS=7\n")
    done = alone(
        "settings", "--json", cwd=tmp_path, api_key="wl_secret", result_ttl="2d", port="9000"
    )
    assert "wl_secret" not in done.stdout
    shown = {row["name"]: row for row in json.loads(done.stdout)}
    assert shown["WINDLASS_API_KEY"]["value"] == "(hidden)"
    assert shown["WINDLASS_SLOTS"] | {"doc": "", "accepts": ""} == {
        "name": "WINDLASS_SLOTS",
        "value": "7",
        "default": "32",
        "source": ".env",
        "accepts": "",
        "doc": "",
    }
    assert (shown["WINDLASS_RESULT_TTL"]["value"], shown["WINDLASS_RESULT_TTL"]["source"]) == (
        "172800",
        "environment",
    )
    assert shown["WINDLASS_HOST"]["source"] == "default"
    assert all(row["doc"] and row["accepts"] for row in shown.values())


def test_settings_are_tabular_for_people(tmp_path: Path) -> None:
    done = alone("settings", cwd=tmp_path)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {len(row) for row in rows} == {5}
    assert "WINDLASS_DATA" in [row[0] for row in rows]


def test_a_wrong_setting_is_status_2_for_every_command(tmp_path: Path) -> None:
    for command in (["settings"], ["tasks", "list"], ["extract", "http://example.com"]):
        done = alone(*command, cwd=tmp_path, lease="soon")
        assert done.returncode == 2
        assert "WINDLASS_LEASE must be a duration" in one_line(done)


def test_version_is_the_packages() -> None:
    from windlass import __version__

    assert alone("--version").stdout == f"{__version__}\n"
