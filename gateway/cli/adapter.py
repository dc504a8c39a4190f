"""`ocpp-gateway adapter`: begin a rule pack and an adapter for a brand."""

import argparse
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.cli import Mistake

PACK = """\
# {title} chargers. What a pack may say is in the gateway's rules/README.md.

pack    = 1
name    = "{name}"
summary = "What {title} chargers get wrong."

[match]
vendor = "{pattern}"  # BootNotification.chargePointVendor: * any text, ? one character, any case
# model    = ["Model 1", "Model 2*"]
# firmware = ">=3.0, <3.4"

[[rule]]
name   = "status-occupied"
why    = "Still uses the OCPP 1.5 status 'Occupied', which OCPP 1.6 split in five (§4.9)."
source = "say where you saw it: a link, or a capture and its line"
on     = {{ charger_call = "StatusNotification" }}
do     = [{{ map = "status", using = {{ Occupied = "Preparing" }} }}]
flag   = "status-mapped"

[[test]]
name  = "Occupied becomes Preparing"
kind  = "charger_call"
given = '[2,"1","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"Occupied"}}]'
want  = '[2,"1","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"Preparing"}}]'
flags = ["status-mapped@status"]

[[test]]
name  = "a status the standard knows is left alone"
kind  = "charger_call"
given = '[2,"2","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"Charging"}}]'
want  = '[2,"2","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"Charging"}}]'
flags = []
"""

ADAPTER = '''\
"""{title}: say what these chargers do, which part of the standard it breaks, and where it was seen."""

from gateway.api import Adapter, Match, Memory, Message, OpenTransactions, backend_result, charger_call


class {cls}(Adapter):
    """StopTransaction gets its transaction id back when only one transaction can be meant."""

    match = Match(vendor="{pattern}", ocpp="1.6")

    @backend_result("StartTransaction")
    def remember(self, result: Message, memory: Memory) -> Message:
        OpenTransactions(memory).started(result)
        return result

    @charger_call("StopTransaction")
    def restore(self, call: Message, memory: Memory) -> Message:
        return OpenTransactions(memory).restored(call)
'''

TEST = '''\
"""{cls}: it is for its chargers; a good id is left alone, one open is restored, two open are no guess."""

from pathlib import Path

import pytest

from gateway.dialect.rehearsal import Rehearsal
from gateway.dialect.station import Station
from gateway.plugins import adapters_in, read_file

HERE = Path(__file__).parent.parent
VENDOR = {vendor}  # BootNotification.chargePointVendor
STOP = {{"transactionId": 0, "meterStop": 9, "timestamp": "2026-03-01T10:00:00Z"}}


@pytest.fixture
def adapter():
    errors = []
    (found,) = adapters_in(HERE / "adapters" / "{module}.py", errors)
    assert errors == []
    return found


def test_pack_and_adapter_are_for_these_chargers(adapter):
    for part in (adapter, read_file(HERE / "rules" / "{name}.toml")):
        assert part.match.matches("CP-1", Station(vendor=VENDOR)), part.match


@pytest.mark.parametrize(
    ("opened", "sent", "wanted"), [([7], 7, 7), ([7], 0, 7), ([7, 8], 0, 0), ([], 0, 0)]
)
def test_a_stop_transaction_gets_its_id_back(adapter, opened, sent, wanted):
    charger = Rehearsal(adapter)
    for connector, transaction in enumerate(opened, 1):
        start = {{"connectorId": connector, "idTag": "A", "meterStart": 0}}
        charger.calls("StartTransaction", start | {{"timestamp": "2026-03-01T09:00:00Z"}})
        charger.hears({{"transactionId": transaction, "idTagInfo": {{"status": "Accepted"}}}})
    assert charger.calls("StopTransaction", STOP | {{"transactionId": sent}})["transactionId"] == wanted
'''


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser("adapter", description="Rule packs and adapters of your own.")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    new = verbs.add_parser(
        "new",
        help="begin a rule pack, an adapter and its test for a brand",
        description="Write a rule pack, an adapter and a test that work, to be changed into yours.\n"
        "Delete what you do not need: most brands need a pack alone.",
    )
    new.add_argument("brand", metavar="BRAND", help="the vendor, as its chargers name it")
    new.add_argument(
        "--directory", default=".", metavar="DIR", help="where rules/, adapters/ and tests/ go (.)"
    )
    new.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> int:
    brand = arguments.brand.strip()
    name = _file_name(brand)
    if not name or not name[0].isalpha():
        raise Mistake(f"{brand!r}: give a name that begins with a letter, such as acme")
    words = {
        "name": name,
        "title": re.sub(r"[\\\"'{}\x00-\x1f\x7f]", "", brand),
        "vendor": json.dumps(brand, ensure_ascii=False),
        "pattern": re.sub(r"[^\w &-]", "?", brand.lower()) + "*",
        "module": name.replace("-", "_"),
        "cls": "".join(part.capitalize() for part in name.split("-")),
    }
    base = Path(arguments.directory)
    files = {
        base / "rules" / f"{name}.toml": PACK,
        base / "adapters" / f"{words['module']}.py": ADAPTER,
        base / "tests" / f"test_{words['module']}.py": TEST,
    }
    there = [str(path) for path in files if path.exists()]
    if there:
        raise Mistake(f"{', '.join(there)}: there already; choose another brand or --directory")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(**words), "utf-8")
            print(f"written: {path}")
    except OSError as error:
        raise Mistake(
            f"{error.filename}: cannot be written ({error.strerror}); give another --directory"
        ) from None
    for theirs in _shipped(words["pattern"]):
        print(
            f"note: the shipped pack {theirs} is for such chargers too (ocpp-gateway rules show {theirs}); "
            f'give yours another name, and write after = ["{theirs}"] into it'
        )
    print(f"next: ocpp-gateway rules test {base / 'rules' / (name + '.toml')}")
    return 0


def _file_name(brand: str) -> str:
    """`umlaut-sohne` for `Ümläut & Söhne`."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", brand.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", bare).strip("-")


def _shipped(pattern: str) -> Iterator[str]:
    """The packs that come with the gateway and that a charger of this vendor may fit."""
    from gateway import plugins
    from gateway.dialect.match import Match

    mine = Match(vendor=pattern)
    for path in sorted(plugins.SHIPPED_RULES.glob("*.toml")):
        pack = plugins.read_file(path)
        if pack.match.overlaps(mine):
            yield pack.name
