"""From a real site to a published agent to a batch whose JSON is in a bucket, and the command line.

What a page must hold is computed from the files by another parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from lxml import html

from tests.support.delivering import Delivering, delivering
from tests.support.documents import ROOT, fenced
from tests.support.s3 import S3
from tests.support.server import WindlassServer
from tests.support.sites import Site
from tests.support.smallsite import SmallSite, page, small_site
from tests.support.waiting import eventually

INPUTS = 200
MANUAL = "postgresql-doc-15"


def manual_agent(site: Site) -> dict[str, Any]:
    """The agent of docs/agents.md, for a site on loopback."""
    text = fenced(ROOT / "docs" / "agents.md", "json agent")
    document: dict[str, Any] = json.loads(text.replace("http://manual.test/", site.base))
    return document


def agents(server: WindlassServer, *arguments: str) -> CompletedProcess[str]:
    """`windlass agents` with these arguments."""
    return server.command("agents", *arguments, check=False)


def expected(file: Path) -> tuple[str, list[str]]:
    """Title and keywords of a page by lxml."""
    tree = html.fromstring(file.read_bytes())
    title = " ".join(tree.findtext(".//title").split())
    words = [element.text_content() for element in tree.iterfind(".//code[@class='literal']")]
    return title, [word.strip() for word in words]


@pytest.fixture
def world(s3: S3, tmp_path: Path) -> Iterator[tuple[Delivering, str]]:
    bucket = s3.bucket()
    settings = s3.grant_on(bucket).settings(s3.url)
    with delivering(tmp_path / "data", host_concurrency="32", **settings) as made:
        yield made, bucket


def test_a_published_agent_brings_two_hundred_pages_into_a_bucket(
    world: tuple[Delivering, str], s3: S3, sites: dict[str, Site], tmp_path: Path
) -> None:
    made, bucket = world
    site = sites[MANUAL]
    file = tmp_path / "manual.json"
    file.write_text(json.dumps(manual_agent(site)))
    created = agents(made.server, "create", str(file))
    assert created.returncode == 0, created.stderr
    tested = agents(made.server, "test", "manual_page")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    names = [Path(one).stem for one in site.pages() if one.endswith(".html")][:INPUTS]
    batch = made.client.agent.run_batch(
        inputs=[{"params": {"page": name}} for name in names],
        shared_inputs={
            "agent": "manual_page",
            "params": {"storage_type": "s3", "storage_url": f"s3://{bucket}/manual/"},
        },
    )
    assert batch.batch_size == INPUTS

    def over() -> bool:
        return bool(made.client.batches.progress(batch.batch_id).completed)

    eventually(over, "the batch ends", within_s=120, every_s=0.5)
    assert len(s3.keys(bucket)) == INPUTS
    for name, task in zip(names, batch.tasks, strict=True):
        stored, _ = s3.object(bucket, f"manual/{task.id}.json")
        result = json.loads(stored)
        parsing = result["data"]["parsing"]
        title, keywords = expected(site.folder / f"{name}.html")
        assert " ".join(parsing["title"].split()) == title, name
        assert parsing["keywords"] == keywords, name
        assert result["metadata"]["agent"] == "manual_page"


# ---------------------------------------------------------------- the command line


@pytest.fixture
def site() -> Iterator[SmallSite]:
    replies = {"/p/mug": page(text="Mug"), "/p/cup": page(text="Cup")}
    with small_site(replies) as served:
        yield served


@pytest.fixture
def document(site: SmallSite) -> dict[str, Any]:
    saved = "<html><body><h1>Mug</h1></body></html>"
    return {
        "name": "cli_shop",
        "description": "A shop.",
        "url": site.base + "/p/{sku}",
        "input_properties": [
            {"name": "sku", "required": True, "rules": ["minLength: 1"]},
            {"name": "n", "type": "integer", "default": 3},
        ],
        "parser": {"name": "h1"},
        "sample": {
            "params": {"sku": "mug"},
            "expected": {"name": "Mug"},
            "page": {"body": saved, "url": site.base + "/p/mug"},
        },
    }


def test_agents_live_on_the_command_line(
    server: WindlassServer, site: SmallSite, document: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(document))
    assert agents(server, "update", str(file)).returncode == 4
    created = agents(server, "create", str(file))
    assert (created.returncode, created.stderr) == (0, "agent cli_shop is at version 1\n")
    assert agents(server, "create", str(file)).returncode == 2
    listed = agents(server, "list").stdout.splitlines()
    assert "cli_shop\tversion 1\t\tA shop." in listed
    assert any(line.startswith("article\tbuilt in\t") for line in listed)
    shown = agents(server, "show", "cli_shop").stdout
    assert "sku\tstring, required\tminLength: 1\t\t" in shown
    run = agents(server, "run", "cli_shop", "sku=cup", "n=4")
    assert (run.returncode, json.loads(run.stdout)) == (0, {"name": "Cup"})
    exported = tmp_path / "exported.json"
    agents(server, "export", "cli_shop", "--out", str(exported))
    assert json.loads(exported.read_text())["parser"] == {"name": "h1"}
    file.write_text(json.dumps({**document, "description": "New."}))
    assert "version 2" in agents(server, "update", str(file)).stderr
    assert agents(server, "delete", "cli_shop").returncode == 0
    assert agents(server, "show", "cli_shop").returncode == 4
    assert "version 1" in agents(server, "import", str(exported)).stderr
    assert agents(server, "delete", "cli_shop").returncode == 0


def test_a_site_that_has_changed_is_told_by_the_exit_status(
    server: WindlassServer, site: SmallSite, document: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(document))
    assert agents(server, "import", str(file)).returncode == 0
    same = agents(server, "test", "cli_shop")
    assert (same.returncode, same.stdout) == (0, 'name\t"Mug"\t"Mug"\tsame\n')
    site.replies = {"/p/mug": page(text="Jar")}
    changed = agents(server, "test", "cli_shop")
    assert (changed.returncode, changed.stdout) == (7, 'name\t"Mug"\t"Jar"\tCHANGED\n')
    assert "1 of 1 fields have changed" in changed.stderr
    saved = agents(server, "test", "cli_shop", "--saved")
    assert (saved.returncode, saved.stdout) == (0, 'name\t"Mug"\t"Mug"\tsame\n')
    site.replies = {}
    gone = agents(server, "test", "cli_shop", "--json")
    assert gone.returncode == 3
    assert json.loads(gone.stdout)["status"] == "failed"
    agents(server, "delete", "cli_shop")


def test_a_file_that_is_no_agent_has_each_mistake_on_a_line(
    server: WindlassServer, document: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({**document, "url": "ftp://x/", "parser": {"a": "p["}}))
    answer = agents(server, "create", str(file))
    assert answer.returncode == 2
    lines = answer.stderr.splitlines()
    assert any(line.startswith(f"{file}: /url: must begin with") for line in lines)
    assert any(line.startswith(f"{file}: /parser/a: ") for line in lines)
    file.write_text("{")
    assert agents(server, "create", str(file)).returncode == 2
    missing = agents(server, "create", str(tmp_path / "absent.json"))
    assert missing.returncode == 2
