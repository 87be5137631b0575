"""`windlass recipe try`: what a recipe finds on a page, for people and for machines."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.origin import Origin
from tests.support.server import COMMAND


def tried(folder: Path, url: str, recipe: Any, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "recipe.json"
    file.write_text(recipe if isinstance(recipe, str) else json.dumps(recipe))
    return subprocess.run(
        [str(COMMAND), "recipe", "try", url, str(file), *options],
        env={**os.environ, "WINDLASS_ALLOW_ADDRESSES": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_field_is_shown_with_where_it_was(tmp_path: Path, origin: Origin) -> None:
    items = {"type": "schema_list", "selector": "a", "fields": {"t": {"type": "terminal"}}}
    done = tried(tmp_path, origin.page("try"), {"title": "h1", "none": ".x", "items": items})
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0] == ["title", '"Page try"', "html > body > main > h1"]
    assert rows[1] == ["none", "nothing", ""]


def test_json_is_the_same_for_machines(tmp_path: Path, origin: Origin) -> None:
    done = tried(tmp_path, origin.page("try"), {"title": "h1"}, "--json")
    told = json.loads(done.stdout)
    assert told["value"] == {"title": "Page try"}
    assert told["sighted"] == [{"field": "/title", "at": "html > body > main > h1"}]
    assert told["status_code"] == 200


def test_mistakes_are_a_line_each_and_status_2(tmp_path: Path, origin: Origin) -> None:
    done = tried(tmp_path, origin.page("try"), {"a": "h1[", "b": {"type": "x"}})
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert "/b/type: must be equal to one of the allowed values" in lines[0]
    assert "/a: must be a CSS selector: expected ']'" in lines[1]
    assert origin.all_visits() == []


def test_a_file_that_is_no_json_is_status_2(tmp_path: Path, origin: Origin) -> None:
    assert tried(tmp_path, origin.page("try"), "{").returncode == 2


def test_a_recipe_that_finds_nothing_is_status_3(tmp_path: Path, origin: Origin) -> None:
    done = tried(
        tmp_path, origin.page("try"), {"a": ".x", "b": {"type": "terminal_list", "selector": "i"}}
    )
    assert done.returncode == 3
    assert "found nothing" in done.stderr


def test_a_page_with_an_unexpected_status_is_read_and_warned_of(
    tmp_path: Path, origin: Origin
) -> None:
    done = tried(tmp_path, f"{origin.base}/status/404", {"body": "body"})
    assert "warning: Unexpected status code 404" in done.stderr


def test_a_page_that_is_not_there_is_status_3(tmp_path: Path, origin: Origin) -> None:
    origin.close()
    assert tried(tmp_path, origin.page("try"), {"a": "h1"}).returncode == 3
