"""The rule packs that come with the gateway: each holds its own tests, names its sources and harms nobody."""

import json
import re
from pathlib import Path

import pytest
from msgspec import structs

from gateway.config import Backend, Config
from gateway.dialect.brand import Brand
from gateway.dialect.reader import Mode, Reader
from gateway.dialect.rules.pack import Pack
from gateway.dialect.rules.rule import Use
from gateway.dialect.rules.trial import normalised, tried
from gateway.dialect.rules.verbs import VERBS
from gateway.ocpp.message import Message, Sender, Version
from gateway.plugins import SHIPPED_RULES, library, read_file

FILES = sorted(SHIPPED_RULES.glob("*.toml"))
PACKS = {path.stem: read_file(path) for path in FILES}
CORPUS = Path(__file__).parents[1] / "dialect" / "corpus.jsonl"
TEST_SOURCE = re.compile(r"https://\S+")

every_pack = pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)


def test_there_are_packs_for_at_least_25_brands():
    assert len(PACKS) >= 25


@every_pack
def test_a_pack_holds_its_own_tests(pack: Pack):
    assert [outcome for outcome in tried(pack) if outcome.problem] == []


@every_pack
def test_a_pack_has_a_public_source_and_is_documented(pack: Pack):
    sources = [rule.source for rule in pack.rules] + [pack.facts.source]
    assert any(TEST_SOURCE.search(source) for source in sources)
    assert f"`{pack.name}`" in (SHIPPED_RULES / "README.md").read_text("utf-8")
    assert pack.source == f"rules/{pack.name}.toml"


@every_pack
def test_every_rule_has_a_test_in_which_it_does_something(pack: Pack):
    for rule in pack.rules:
        alone = Brand(((structs.replace(pack, rules=(structs.replace(rule, observe=False),)), Use.REPAIR),))
        raised = [flag for test in pack.tests for flag in normalised(alone, test, test.given)[1]]
        assert any(flag.author == rule.author for flag in raised), rule.name


@every_pack
def test_normalising_twice_is_normalising_once(pack: Pack):
    rules = tuple(structs.replace(rule, observe=False) for rule in pack.rules)
    brand = Brand(((structs.replace(pack, rules=rules), Use.REPAIR),))
    for test in pack.tests:
        once, _ = normalised(brand, test, test.given)
        assert json.loads(normalised(brand, test, once)[0]) == json.loads(once)


@every_pack
def test_clean_frames_of_the_corpus_pass_byte_for_byte(pack: Pack):
    """A frame that no rule of the pack is about; what a rule is about is in the pack's own tests."""
    about = {action for rule in pack.rules for _, action in rule.on}
    rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    passed = 0
    for row in rows:
        if row.get("encoding") or not row["direction"].startswith("charger") or row.get("given"):
            continue
        plain, made = Reader(Version(row["version"])), Reader(Version(row["version"]))
        made.follow(Mode.REPAIR, None, Brand(((pack, Use.REPAIR),)))
        before = plain.read(row["raw"].encode(), Sender.CHARGER, lambda _: None, 0)
        if not isinstance(before, Message) or before.action in about:
            continue
        after = made.read(row["raw"].encode(), Sender.CHARGER, lambda _: None, 0)
        assert isinstance(after, Message) and after.frame == row["raw"].encode()
        passed += 1
    assert passed > 10


def test_all_that_is_shipped_goes_together():
    found = library(Config(backend=Backend(url="ws://127.0.0.1:1")))
    assert len(found.packs) == len(PACKS)
    assert len(found.adapters) >= 4


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_documented(name: str):
    assert f"| `{name}` |" in (SHIPPED_RULES / "README.md").read_text("utf-8")
