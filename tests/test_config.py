"""Reading the configuration: what it becomes, and what is said about every mistake."""

from pathlib import Path

import pytest

from gateway.config import (
    Address,
    Config,
    ConfigError,
    Secret,
    diff,
    everyone,
    from_arguments,
    load,
    policies_of,
    reference,
    reloaded,
    routes_of,
    unsafe,
)
from gateway.config.keys import paths
from gateway.dialect.reader import Mode
from gateway.ocpp.message import Version
from gateway.routing.routes import Facts, Seats

ROOT = Path(__file__).parent.parent
BACKEND = '[backend]\nurl = "ws://127.0.0.1:8080/ocpp"\n'


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a text as gateway.toml, in its folder."""
    monkeypatch.chdir(tmp_path)

    def read(text: str) -> Config:
        Path("gateway.toml").write_text(text, "utf-8")
        return load("gateway.toml")

    return read


@pytest.fixture
def errors(read):
    """What is wrong with a text, the file's name taken off."""

    def errors(text: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            read(text)
        assert all(error.startswith("gateway.toml: ") for error in raised.value.errors)
        return [error.removeprefix("gateway.toml: ") for error in raised.value.errors]

    return errors


def test_a_backend_url_is_enough(read):
    config = read(BACKEND)
    assert config.backend.url == "ws://127.0.0.1:8080/ocpp"
    assert config.listen.address == Address("127.0.0.1", 9000)
    assert config.listen.versions == (Version.V16, Version.V201, Version.V21)
    assert config.limits.chargers == 20_000
    assert config.dialect.mode is Mode.REPAIR
    assert unsafe(config) == []


def test_what_the_file_says_is_used(read):
    config = read(
        BACKEND + "call_timeout_s = 12\n"
        '[listen]\naddress = "[::1]:0"\npath = "/ocpp"\nversions = ["1.6"]\n'
        '[[dialect.charger]]\nids = ["A*"]\nmode = "strict"\n'
        '[[dialect.charger]]\nids = ["*"]\ntimezone = "Asia/Tokyo"\n'
    )
    assert config.backend.call_timeout_s == 12
    assert str(config.listen.address) == "[::1]:0"
    assert config.listen.path == "/ocpp/"
    assert config.dialect.of("a1") == (Mode.STRICT, "")
    assert config.dialect.of("a1", "Acme") == (Mode.STRICT, "")
    assert config.dialect.of("b1") == (Mode.REPAIR, "Asia/Tokyo")


def test_a_configuration_cannot_be_changed(read):
    with pytest.raises(AttributeError):
        read(BACKEND).backend.url = "ws://elsewhere"


def test_every_mistake_is_reported_at_once(errors):
    found = errors(
        '[backend]\nurl = "http://x"\nwhen_away = "wait"\n'
        "[listen]\nadress = 1\nping_interval_s = inf\n"
        "[dialekt]\n[[dialect.charger]]\nmode = 'fix'\n[limits]\nfragments = 'many'\n[log]\nlevel = 3\n"
    )
    assert [error.split(":")[0] for error in found] == [
        "dialekt",
        "backend.url",
        "backend.when_away",
        "listen.adress",
        "listen.ping_interval_s",
        "limits.fragments",
        "dialect.charger[0].mode",
        "log.level",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "backend.url: is missing; give"),
        ("backend = 1", "backend: 1 does not fit; give a table, [backend]"),
        (BACKEND + "nmae = 'x'", "backend.nmae: unknown key; did you mean name?"),
        (BACKEND + "token = 'x'", "backend.token: unknown key; it belongs into [admin]"),
        (BACKEND + "zzz = 1", "backend.zzz: unknown key; known: url, name,"),
        (BACKEND + "[lisen]", "lisen: unknown table; did you mean listen?"),
        (BACKEND + "insecure_tls = 'yes'", 'backend.insecure_tls: "yes" does not fit; give true or false'),
        (
            BACKEND + "new_links_per_s = true",
            "backend.new_links_per_s: true does not fit; give a number above 0",
        ),
        (BACKEND + "call_timeout_s = 0", "backend.call_timeout_s: 0 does not fit; give a number above 0"),
        (BACKEND + "call_timeout_s = nan", "backend.call_timeout_s: nan does not fit; give a number above 0"),
        (BACKEND + "name = 'a b'", 'backend.name: "a b" does not fit; give a text that matches'),
        (
            BACKEND + "when_away = 'wait'",
            'backend.when_away: "wait" does not fit; give one of "buffer", "close"',
        ),
        (
            BACKEND + "reconnect_min_s = 61",
            "backend.reconnect_min_s: is above backend.reconnect_max_s; lower it",
        ),
        (
            BACKEND + "username = 'a:b'\npassword = 'x'",
            "backend.username: a user name cannot contain a colon",
        ),
        (BACKEND + "username = 'a'", "backend.password: is missing; give it, or leave backend.username out"),
        (
            BACKEND + "insecure_tls = true",
            "backend.insecure_tls: means nothing for a ws:// backend.url; use wss://",
        ),
        (
            BACKEND + "ca_file = 'none.pem'",
            "backend.ca_file: cannot read none.pem: No such file or directory; give",
        ),
        (
            BACKEND + "client_key = 'gateway.toml'",
            "backend.client_certificate: is missing; give it, or leave",
        ),
        ("[backend]\nurl = 'ws://x?a'", "backend.url: leave out what begins with ? or #"),
        ("[backend]\nurl = 'ws://'", "backend.url: give a ws:// or wss:// url with a host"),
        ("[backend]\nurl = 'ws://h/x y'", "backend.url: has a space or line break in it; leave it out"),
        (
            "[backend]\nurl = 'ws://h/{id}'",
            "backend.url: leave out what is in brackets: the charger's id is put",
        ),
        ("[backend]\nurl = 'ws://h/<id>'", "backend.url: leave out what is in brackets"),
        ("[backend]\nurl = 'ws://x:99999/a'", "backend.url: 99999 is no port; give one up to 65535"),
        ("[backend]\nurl = 'ws://x:9x'", "backend.url: give a ws:// or wss:// url with a host"),
        ("[backend]\nurl = 'wss://[x'", "backend.url: give a ws:// or wss:// url with a host"),
        (BACKEND + "[listen]\naddress = '9000'", "listen.address: give host:port, such as"),
        (BACKEND + "[listen]\naddress = ':9000'", "listen.address: give host:port, such as"),
        (BACKEND + "[listen]\naddress = 'x:65536'", "listen.address: 65536 is no port; give one up to 65535"),
        (
            BACKEND + "[listen]\naddress = '127.0.0.1:9080'",
            "admin.address: 127.0.0.1:9080 is taken by listen.address (127.0.0.1:9080); give one",
        ),
        (
            BACKEND + "[listen]\naddress = '0.0.0.0:9080'\ninsecure = true",
            "admin.address: 127.0.0.1:9080 is taken by listen.address (0.0.0.0:9080); give one",
        ),
        (
            BACKEND + "[listen]\naddress = '0.0.0.0:9'",
            "listen.address: others can reach 0.0.0.0:9 and there is no TLS",
        ),
        (BACKEND + "[listen]\npath = 'ocpp'", "listen.path: give a URL path that starts with /"),
        (
            BACKEND + "[listen]\nversions = []",
            "listen.versions: [] does not fit; give a list of one or more, each",
        ),
        (
            BACKEND + "[listen]\nversions = ['2.1']",
            'listen.default_version: "1.6" is not among listen.versions',
        ),
        (
            BACKEND + "[listen]\ntls_key = 'gateway.toml'",
            "listen.tls_certificate: is missing; give it, or leave",
        ),
        (
            BACKEND + "[admin]\naddress = '[::]:9080'",
            "admin.token: is missing while others can reach [::]:9080; set",
        ),
        (BACKEND + "[dialect]\ntimezone = 'Mars'", "dialect.timezone: give an IANA time zone"),
        (BACKEND + "[dialect]\ntimezone = '../x'", "dialect.timezone: give an IANA time zone"),
        (
            BACKEND + "[dialect]\ncharger = 1",
            "dialect.charger: 1 does not fit; write each entry as [[dialect.charger]]",
        ),
        (BACKEND + "[dialect]\ncharger = [1]", "dialect.charger[0]: 1 does not fit; give a table"),
        (
            BACKEND + "[log]\nlevel = 'loud'",
            'log.level: "loud" does not fit; give one of "debug", "info", "warning"',
        ),
        ("[backend", "is not TOML: "),
    ],
)
def test_a_mistake_is_told_with_its_key_and_the_cure(text, message, errors):
    (error,) = errors(text)
    assert error.startswith(message)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(
        ConfigError, match=r"none\.toml: cannot be read \(No such file or directory\); give the path"
    ):
        load(tmp_path / "none.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(latin)


def test_a_secret_comes_from_the_environment_a_file_or_the_text_itself(read, monkeypatch):
    monkeypatch.setenv("GATEWAY_TOKEN", "one")
    Path("password").write_text("two\n")
    config = read(BACKEND + 'password = { file = "password" }\n[admin]\ntoken = { env = "GATEWAY_TOKEN" }')
    assert config.admin.token == Secret("one")
    assert config.backend.password == Secret("two")
    assert not config.admin.token.plain
    plain = read(BACKEND + "[admin]\ntoken = 'three'").admin.token
    assert plain.reveal() == "three"
    assert plain.plain


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{ env = "NOT_SET_ANYWHERE" }', "the environment variable NOT_SET_ANYWHERE is not set"),
        ('{ file = "none" }', "cannot read none: No such file or directory"),
        ('{ file = "gateway.toml", env = "HOME" }', "give { env ="),
        ('""', "the secret is empty"),
        ("5", "give { env ="),
    ],
)
def test_a_secret_that_cannot_be_had_is_told(value, message, errors):
    assert errors(f"{BACKEND}[admin]\ntoken = {value}")[0].startswith(f"admin.token: {message}")


def test_no_secret_is_ever_shown(read, errors):
    config = read(
        BACKEND + "password = 'hidden'\nproxy = 'http://u:hidden@proxy:3128'\n[admin]\ntoken = 'hidden'"
    )
    shown = repr(config) + str(config) + f"{config.admin.token}" + "".join(unsafe(config))
    assert "hidden" not in shown
    for text in (
        "[backend]\nurl = 'wss://u:hidden@x'",
        BACKEND + "proxy = 'ftp://u:hidden@x'",
        BACKEND + "password = ['hidden']",
    ):
        assert "hidden" not in "".join(errors(text))


def test_what_is_unsafe_is_said(read, monkeypatch):
    config = read(
        '[backend]\nurl = "ws://backend.example"\npassword = "x"\nproxy = "socks5://u:p@proxy"\n'
        '[listen]\naddress = "0.0.0.0:9000"\ninsecure = true\n'
        '[admin]\naddress = "0.0.0.0:9080"\ntoken = "x"\n'
    )
    assert [warning.split(":")[0] for warning in unsafe(config)] == [
        "listen.insecure",
        "backend.url",
        "backend.password",
        "admin.address",
        "backend.password",
        "admin.token",
        "backend.proxy",
    ]
    monkeypatch.setenv("PASSWORD", "http://u:p@proxy")
    kept = read(
        '[backend]\nurl = "wss://x"\nproxy = { env = "PASSWORD" }\n[admin]\ntoken = { env = "PASSWORD" }\n'
        '[listen]\naddress = "localhost:9000"'
    )
    assert unsafe(kept) == []
    trusting = read('[backend]\nurl = "wss://backend.example"\ninsecure_tls = true')
    assert [warning.split(":")[0] for warning in unsafe(trusting)] == ["backend.insecure_tls"]


def test_ids_are_let_in_by_pattern_whatever_their_case(read):
    listen = read(BACKEND + '[listen]\ncharger_ids = ["Site-A-*", "b?"]').listen
    assert listen.allows("SITE-a-001")
    assert listen.allows("B7")
    assert not listen.allows("B77")
    assert not listen.allows("")


def test_a_difference_is_for_a_reload_or_for_a_restart(read):
    old = read(BACKEND)
    new = read(
        BACKEND.replace("8080", "8081") + '[log]\nlevel = "debug"\n[limits]\nfragments = 9\n'
        '[[dialect.charger]]\nids = ["x"]\n[admin]\naddress = "127.0.0.1:1"\n'
    )
    assert diff(old, old) == ([], [])
    assert diff(old, new) == (
        ["limits.fragments", "dialect.charger", "log.level"],
        ["backend.url", "admin.address"],
    )
    running = reloaded(old, new)
    assert diff(old, running) == (["limits.fragments", "dialect.charger", "log.level"], [])
    assert diff(running, new) == ([], ["backend.url", "admin.address"])


def test_options_go_before_the_file(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(BACKEND + '[log]\nlevel = "error"\n')
    config = from_arguments(
        path, {"backend": "wss://other", "listen": None, "insecure": False, "log_level": "debug"}
    )
    assert (config.backend.url, config.log.level, config.listen.insecure) == ("wss://other", "debug", False)
    assert from_arguments(path, {"listen": "0.0.0.0:9", "insecure": True}).listen.insecure


def test_a_wrong_option_is_named_as_it_was_typed():
    with pytest.raises(ConfigError) as raised:
        from_arguments(options={"backend": "x", "log_level": "loud", "admin": "127.0.0.1:1"})
    assert [error.split(" ")[0] for error in raised.value.errors] == ["--backend:", "--log-level:"]


def test_a_demonstration_needs_no_backend(tmp_path):
    assert from_arguments(demo=True).backend.url.startswith("ws://127.0.0.1:")
    path = tmp_path / "gateway.toml"
    path.write_text('[backend]\nname = "mine"\nurl = "wss://real.example"\n')
    assert from_arguments(path, demo=True).backend.url.startswith("ws://127.0.0.1:")


def test_the_example_file_is_right():
    config = load(ROOT / "deploy/gateway.example.toml")
    assert unsafe(config) == []


def test_what_is_commented_out_in_the_example_is_right_too(read, certificate):
    lines = (ROOT / "deploy/gateway.example.toml").read_text("utf-8").splitlines()
    settings = [
        line.removeprefix("# ")
        for line in lines
        if not line.startswith("# ") or line[2] == "[" or " = " in line
    ]
    Path("admin.token").write_text("x")
    for name, there in (("backend-ca.pem", 0), ("gateway.pem", 0), ("gateway.key", 1)):
        Path(name).symlink_to(certificate[there])
    config = read("\n".join(settings).replace('{ env = "BACKEND_PASSWORD" }', '{ file = "admin.token" }'))
    assert config.dialect.of("site-b-1", "Acme Street")[0] is Mode.OBSERVE


def test_every_setting_has_a_description_of_its_own():
    described = paths()
    assert len(described) > 50
    assert [path for path, key in described.items() if not key.description.strip().endswith(".")] == []


def test_a_dialect_may_be_for_a_vendor(read):
    dialect = read(
        BACKEND + '[[dialect.charger]]\nids = ["site-*"]\nvendors = ["acme*"]\nmode = "observe"\n'
    ).dialect
    assert dialect.of("SITE-1", "Acme Street")[0] is Mode.OBSERVE
    assert dialect.of("SITE-1", "Other")[0] is Mode.REPAIR
    assert dialect.of("SITE-1")[0] is Mode.REPAIR
    assert dialect.of("CP1", "Acme")[0] is Mode.REPAIR


SEVERAL = (
    '[backend]\nname = "billing"\nurl = "wss://billing.example"\n'
    '[[backends]]\nname = "load"\nurl = "wss://load.example"\nversions = ["2.0.1"]\ncommands = "all"\n'
    '[[backends]]\nname = "new"\nurl = "wss://new.example"\n'
)


def test_several_backends_have_seats_at_a_charger(read):
    config = read(
        SEVERAL + '[[labels]]\nname = "berlin"\nchargers = ["BER-*"]\n'
        '[[routes]]\nlabels = ["berlin"]\nversions = ["1.6"]\nleader = "new"\nstandby = ["billing"]\n'
        'observers = ["load"]\ntakeover_after_s = 5\n'
    )
    assert list(everyone(config)) == ["billing", "load", "new"]
    assert (config.backends[0].commands, config.backend.commands) == ("all", "leading")
    seats = routes_of(config).seats(Facts("ber-1", (Version.V16,)))
    assert seats == Seats(("new", "billing"), ("load",), 5, 60, (Version.V16,))
    assert routes_of(config).seats(Facts("ham-1", (Version.V16,))) == Seats(("billing",))
    assert config.backend.durable is None


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ('[[backends]]\nurl = "wss://x"\nname = "load"', ['backends[2].name: "load" is taken; give each']),
        ('[[backends]]\nurl = "wss://x"\nname = "billing"', ['backends[2].name: "billing" is taken; give']),
        ('[[backends]]\nurl = "http://x"', ["backends[2].url: give a ws:// or wss:// url"]),
        ('[[backends]]\nurl = "wss://x"\nusername = "a"', ["backends[2].password: is missing; give it"]),
        ("[[backends]]\nname = 'x'", ["backends[2].url: is missing; give"]),
        ('[[labels]]\nname = "a"\nchargers = ["x"]\n' * 2, ['labels[1].name: "a" is taken']),
        (
            '[[routes]]\nleader = "lead"\nobservers = ["x"]\n[[routes]]\nlabels = ["b*"]\nleader = "new"\n'
            'standby = ["load", "new"]\nversions = ["2.1"]\n[listen]\nversions = ["1.6"]',
            [
                'routes[0].leader: no backend is called "lead"; did you mean load?',
                'routes[0].observers: no backend is called "x"; known: billing, load, new',
                'routes[1]: backend "new" has several roles; leave it in one',
                'routes[1].labels: no label is called "b*"; known: none',
                "routes[1].versions: none of them is among listen.versions; add",
                "routes[1]: is never reached, since routes[0] is for every charger",
            ],
        ),
        (
            '[[backends]]\nurl = "wss://x"\nname = "c"\nwhen_away = "close"\n[[routes]]\nleader = "c"\n'
            'standby = ["new"]',
            ['routes[0]: "c" closes chargers when it goes'],
        ),
        ('[[routes]]\nchargers = ["x"]', ["routes[0].leader: is missing; give"]),
        (
            '[[routes]]\nleader = "new"\nobservers = ["x"]\n[dialect]\ntimezone = "Mars"\n'
            '[[commands]]\nactions = ["Rest"]\ndo = "deny"\n[[commands]]\nactions = ["Reset"]\ndo = "no"\n'
            '[[backends]]\nurl = "wss://x"\nname = "load"\npassword = { env = "NOT_SET" }',
            [
                "backends[2].password: the environment variable NOT_SET is not set",
                'commands[1].do: "no" does not fit',
                "dialect.timezone: give an IANA time zone",
                'backends[2].name: "load" is taken',
                'routes[0].observers: no backend is called "x"',
                'commands[0].actions: no command is called "Rest"',
            ],
        ),
        (
            '[[backends]]\nurl = "no"\nname = "a b"\n[[routes]]\nleader = "a b"\n[listen]\n'
            'address = "0.0.0.0:1"\ntls_certificate = "none.pem"\ntls_key = "none.pem"',
            [
                "backends[2].url: give a ws:// or wss:// url",
                'backends[2].name: "a b" does not fit',
                'routes[0].leader: "a b" does not fit',
                "listen.tls_certificate: cannot read none.pem",
                "listen.tls_key: cannot read none.pem",
            ],
        ),
    ],
)
def test_what_is_wrong_with_backends_and_routes_is_told_at_once_and_nothing_twice(text, messages, errors):
    found = errors(SEVERAL + text)
    assert len(found) == len(messages)
    assert all(error.startswith(message) for error, message in zip(found, messages, strict=True)), found


def test_every_backend_is_looked_at_for_what_is_unsafe(read):
    config = read(BACKEND + '[[backends]]\nname = "b"\nurl = "ws://b.example"\npassword = "x"\n')
    assert [warning.split(":")[0] for warning in unsafe(config)] == [
        "backends[0].url",
        "backends[0].password",
        "backends[0].password",
    ]


def test_commands_become_a_policy_for_each_backend(read):
    config = read(
        SEVERAL + '[[commands]]\nbackends = ["load"]\nactions = ["Reset"]\ndo = "rewrite"\n'
        'set = { type = "Soft" }\n[[commands]]\nactions = ["ClearCache"]\ndo = "deny"\n'
    )
    policies = policies_of(config)
    assert list(policies) == ["billing", "load", "new"]
    assert policies["billing"].judge("Reset", {"type": "Hard"}, Version.V16, leads=True) is None
    changed = policies["load"].judge("Reset", {"type": "Hard"}, Version.V16, leads=False)
    assert changed.payload == b'{"type":"Soft"}'
    assert (
        policies["new"].judge("ClearCache", {}, Version.V16, leads=True).payload == b'{"status":"Rejected"}'
    )
    assert policies_of(read(SEVERAL))["new"].is_open


def test_every_mistake_in_a_rule_is_told_at_once(errors):
    found = errors(
        SEVERAL + '[[commands]]\nbackends = ["laod"]\nactions = ["Rest"]\ndo = "deny"\n'
        '[[commands]]\nactions = ["Reset"]\nkeys = ["x"]\ndo = "rewrite"\n'
    )
    assert [error.split(":")[0] for error in found] == [
        "commands[0].backends",
        "commands[0].actions",
        "commands[1].keys",
        "commands[1].set",
    ]


def test_the_page_says_that_a_reload_takes_routes_labels_and_commands():
    page = reference.page()
    for table in ("[[routes]]", "[[labels]]", "[[commands]]"):
        section = page.split(f"\n## {table}\n")[1].split("\n## ")[0]
        assert "| yes |" in section and "| no |" not in section
    assert "\n    " not in page


def test_what_is_in_a_list_of_tables_is_told_by_its_place_as_people_count(errors):
    found = errors(SEVERAL + '[[routes]]\nleader = "new"\n' * 12 + '[[routes]]\nleader = "x"\n')
    assert found[0].endswith("known: billing, load, new (13th [[routes]])")
    assert errors(SEVERAL + '[[backends]]\nname = "x"')[0].endswith(" (3rd [[backends]])")
    assert errors(BACKEND + "[[dialect.charger]]\nids = 3")[0].endswith(" (1st [[dialect.charger]])")
    assert errors(BACKEND + "[dialect]\nrules_directories = [3]")[0].endswith("each a text")
