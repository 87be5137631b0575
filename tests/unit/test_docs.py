"""The documentation is up to date, complete, and its links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tests.support.documents import ROOT, anchors, documents, fenced, relative_links, snippets
from tools.reference import files
from tools.reference.commands import commands
from tools.reference.errors import ADVICE
from windlass.api.openapi import describe, error_codes
from windlass.drivers.proxies import Proxies
from windlass.settings import Settings, variable

REFERENCE = ROOT / "docs" / "reference"
GUIDE = ROOT / "docs" / "guide"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_made_files_are_what_the_code_says() -> None:
    assert files.out_of_date() == [], "run `make docs`"


def test_every_setting_is_documented() -> None:
    written = text_of(REFERENCE / "settings.md")
    for item in dataclasses.fields(Settings):
        assert f"`{variable(item)}`" in written
        assert item.metadata["doc"].strip().endswith(".")


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    known = {variable(item) for item in dataclasses.fields(Settings)}
    for path in documents():
        assert set(re.findall(r"WINDLASS_[A-Z_]*[A-Z]", text_of(path))) <= known, names(path)


def test_every_command_is_documented() -> None:
    written = text_of(REFERENCE / "commands.md")
    for name, command in commands():
        assert f"## {name}\n" in written
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name}: {parameter.name}"


def test_every_error_code_is_documented_with_what_to_do() -> None:
    written = text_of(REFERENCE / "errors.md")
    codes = {item["code"] for item in error_codes()}
    assert set(ADVICE) == codes
    for code in codes:
        assert f"| `{code}` |" in written


def test_no_guide_names_an_error_code_that_does_not_exist() -> None:
    known = {item["code"] for item in error_codes()}
    for path in sorted(GUIDE.glob("*.md")):
        for named in re.findall(r"`error_code` `([a-z_]+)`", text_of(path)):
            assert named in known, names(path)


def test_every_endpoint_is_documented() -> None:
    written = text_of(REFERENCE / "endpoints.md")
    for path, item in describe()["paths"].items():
        for method in item:
            heading = f"## {method.upper()} {path}\n"
            assert heading in written or f"`{path}`" in written, heading


def test_every_request_field_is_told_in_the_guide() -> None:
    written = text_of(GUIDE / "extract.md")
    for field in describe()["components"]["schemas"]["AsyncExtractBody"]["properties"]:
        assert re.search(rf"\b{field}\b", written), field


@pytest.mark.parametrize("path", documents(), ids=names)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for link in relative_links(path):
        target, _, anchor = link.partition("#")
        where = (path.parent / target).resolve() if target else path
        assert where.exists(), link
        assert where.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(where), link


def test_files_that_documents_name_exist() -> None:
    for path in documents():
        for named in re.findall(r"`((?:tests|bench|tools|docs)/[\w./-]+)`", text_of(path)):
            assert (ROOT / named).exists(), f"{names(path)}: {named}"


def test_the_example_of_a_proxy_list_is_one(tmp_path: Path) -> None:
    file = tmp_path / "proxies.json"
    file.write_text(fenced(GUIDE / "operate.md", "json proxies"))
    assert len(Proxies.load(Settings(proxies=str(file)))) == 3


def test_python_snippets_are_python() -> None:
    for path in documents():
        for snippet in snippets(path):
            if snippet.language == "python":
                compile(snippet.text, f"{snippet.document}:{snippet.line}", "exec")


def test_the_readme_names_the_test_command_that_the_build_server_runs() -> None:
    assert "```sh show\nmake test\n```" in text_of(ROOT / "README.md")
    assert re.search(r"^exec make test$", text_of(ROOT / ".ci" / "run"), re.MULTILINE)
