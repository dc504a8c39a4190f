"""Whatever an operator can write or meet is documented, and no page points nowhere."""

import argparse
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gateway.admin.index import ADDRESSES, MOVE
from gateway.cli import COMMANDS
from gateway.config.reference import page
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.flags import reference as flags_page
from gateway.routing.moves import Move
from gateway.translate.reference import page as translation_page

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    folders = [
        path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "data"
    ]
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


def links(text: str) -> list[str]:
    """The targets of the links in a page, examples left out."""
    return [target or image for target, image in LINK.findall(FENCED.sub("", text))]


def anchors(text: str) -> set[str]:
    """The fragments that a page's headings can be reached by."""
    headings = re.findall(r"^#+ (.+?) *$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(page: Path) -> Iterator[str]:
    """The links of a page that lead to no file or to no heading."""
    for target in links(page.read_text("utf-8")):
        name, _, fragment = target.partition("#")
        there = page.parent / name if name else page
        if re.match(r"[a-z]+:", target):
            continue
        if not there.exists() or (fragment and fragment not in anchors(there.read_text("utf-8"))):
            yield f"{page.name}: {target}"


def missing(names: Iterator[str] | list[str], text: str) -> list[str]:
    """The names that the text does not show as code: `name`, or at the start of such a piece."""
    shown = set(re.findall(r"`([^`\n]+)`", text)) | set(re.findall(r"`([^`\n ]+)[ `]", text))
    return [name for name in names if name not in shown]


def arguments(command: str) -> set[str]:
    """The options of a command and of its verbs, and the verbs themselves."""
    root = argparse.ArgumentParser()
    import_module(f"gateway.cli.{command}").add(root.add_subparsers())
    parsers, found = [root], set()
    for parser in parsers:
        for action in parser._actions:
            found |= {option for option in action.option_strings if option.startswith("--")}
            if isinstance(action, argparse._SubParsersAction):
                found |= action.choices.keys()
                parsers.extend(action.choices.values())
    return found - {command, "--help"}


def test_the_reference_of_the_settings_is_what_the_code_says():
    assert (DOCS / "configuration.md").read_text("utf-8") == page(), "run: make docs"


def test_every_flag_code_is_documented():
    assert (DOCS / "flags.md").read_text("utf-8") == flags_page(), "run: make docs"
    assert missing([code.value for code in FlagCode], (DOCS / "flags.md").read_text("utf-8")) == []


def test_the_reference_of_translations_is_what_the_code_says():
    assert (DOCS / "translation.md").read_text("utf-8") == translation_page(), "run: make docs"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_with_its_options(command):
    text = (DOCS / "commands.md").read_text("utf-8")
    assert f"## {command}" in text.splitlines()
    section = text.split(f"## {command}\n")[1].split("\n## ")[0]
    assert missing(sorted(arguments(command)), section) == []


def api_sections() -> dict[str, str]:
    """Method and path → what docs/api.md says below that heading."""
    parts = re.split(r"^#+ `(.+)`\n", (DOCS / "api.md").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_is_documented_with_its_parameters(address):
    section = api_sections()[address]
    _, _, parameters = ADDRESSES[address].partition("; ")
    assert missing(parameters.split(", ") if "api" in address and parameters else [], section) == []


def test_no_address_is_documented_that_is_not_there():
    assert api_sections().keys() == ADDRESSES.keys()


def test_the_fields_of_a_move_are_documented_and_listed():
    assert set(MOVE.split(", ")) == set(Move.__struct_fields__) - {"name", "started_at"}


def test_every_link_leads_somewhere():
    found = pages()
    assert len(found) > 3
    assert [link for page in found for link in dead(page)] == []


def test_a_link_to_nowhere_is_seen(tmp_path):
    (tmp_path / "other.md").write_text("# Some `code`, and words\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#some-code-and-words) [c](#here) [d](https://example.org/x)\n"
        "[e](none.md) [f](other.md#none) [g](#none) ![h](none.png)\n```\n[i](none.md)\n```\n"
    )
    assert list(dead(page)) == [
        "page.md: none.md",
        "page.md: other.md#none",
        "page.md: #none",
        "page.md: none.png",
    ]


def test_a_name_that_no_page_shows_is_seen():
    assert missing(["id-reused", "--data", "--json", "late"], "`id-reused`, `--data DIR` and late") == [
        "--json",
        "late",
    ]
