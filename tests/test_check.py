"""`ocpp-gateway check` against files that the gateway could not start with: words, never a traceback."""

import subprocess
from pathlib import Path

import pytest

from gateway import plugins
from gateway.cli import main
from gateway.config import ConfigError, load
from gateway.config.keys import paths

REQUIRED = {
    "backend": {"url": '"wss://one"'},
    "backends[]": {"name": '"two"', "url": '"ws://two"'},
    "labels[]": {"name": '"l"', "chargers": '["*"]'},
    "routes[]": {"leader": '"main"'},
    "commands[]": {"actions": '["*"]', "do": '"deny"'},
    "dialect.brand[]": {"names": '["*"]', "mode": '"off"'},
    "listen": {"address": '"0.0.0.0:1"', "tls_certificate": '"none"', "tls_key": '"none"'},
}


def written(tables: dict[str, dict[str, str]]) -> str:
    lines = []
    for table, values in tables.items():
        lines.append(f"[[{table[:-2]}]]" if table.endswith("[]") else f"[{table}]")
        lines += [f"{name} = {value}" for name, value in values.items()]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "value", ["5", "true", "[]", "[5]", '["x"]', "{}", "[{}]", '""', '"x"', r'"\u0000"', "1979-05-27"]
)
def test_whatever_a_setting_is_set_to_it_is_told_in_words(value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        plugins, "SHIPPED_RULES", tmp_path
    )  # trying all of them for each setting takes a minute
    for path in paths():
        table, _, name = path.rpartition(".")
        if table:
            given = {one: REQUIRED.get(one, {}) for one in ("backend", "listen", table)}
            Path("gateway.toml").write_text(written(given | {table: given[table] | {name: value}}))
        else:
            Path("gateway.toml").write_text(f'{name} = {value}\n[backend]\nurl = "ws://one"')
        status = main(["check", "gateway.toml"])
        assert status in (0, 2), path
        assert ("gateway.toml: " in capsys.readouterr().err) == (status == 2), path


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> Path:
    """A folder with two certificates and their keys, one of them with a passphrase, and empty ones."""
    folder: Path = tmp_path_factory.mktemp("pem")
    make = "openssl req -x509 -nodes -days 2 -subj /CN=test -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    for name in ("one", "two"):
        command = f"{make} -keyout {name}.key -out {name}.pem"
        subprocess.run(command.split(), check=True, capture_output=True, cwd=folder)
    lock = "openssl pkey -in one.key -aes256 -passout pass:hush -out locked.key"
    subprocess.run(lock.split(), check=True, capture_output=True, cwd=folder)
    (folder / "empty.pem").touch()
    (folder / "cut.pem").write_text((folder / "one.pem").read_text()[:200])
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "wrong", "message"),
    [
        ("empty.pem", "one.key", "certificate", "empty.pem holds no certificate; give a PEM file with"),
        ("cut.pem", "one.key", "certificate", "cut.pem holds no certificate; give a PEM file with"),
        ("one.key", "one.key", "certificate", "one.key holds no certificate; give a PEM file with"),
        ("one.pem", "empty.pem", "key", "empty.pem holds no private key; give the PEM file with the key"),
        ("one.pem", "two.key", "key", "two.key is not the key of one.pem; give the one that belongs to it"),
        ("one.pem", "locked.key", "key", "locked.key has a passphrase; take it off: openssl pkey -in"),
        ("one.pem", "none", "key", "cannot read none: No such file"),
    ],
)
@pytest.mark.parametrize("place", ["listen.tls", "backend.client", "backends[0].client"])
def test_a_certificate_or_key_that_tls_cannot_use_is_told_once(
    place, certificate, key, wrong, message, pem, monkeypatch
):
    monkeypatch.chdir(pem)
    table, _, prefix = place.partition(".")
    given = {
        "backend": {"url": '"wss://one"', "ca_file": '"one.pem"'},
        "backends[]": {"name": '"two"', "url": '"wss://two"'},
        "listen": {},
    }
    given[table.replace("[0]", "[]")] |= {
        f"{prefix}_certificate": f'"{certificate}"',
        f"{prefix}_key": f'"{key}"',
    }
    Path("gateway.toml").write_text(written(given))
    with pytest.raises(ConfigError) as raised:
        load("gateway.toml")
    (error,) = raised.value.errors
    assert error.startswith(f"gateway.toml: {place}_{wrong}: {message}")


def test_authorities_that_are_none_are_told_with_everything_else(pem, monkeypatch):
    monkeypatch.chdir(pem)
    wrong = {"ca_file": '"empty.pem"', "client_certificate": '"one.pem"', "client_key": '"two.key"'}
    Path("gateway.toml").write_text(written({"backend": {"url": '"wss://one"', "pong": "1"} | wrong}))
    with pytest.raises(ConfigError) as raised:
        load("gateway.toml")
    assert [error.split(": ")[1] for error in raised.value.errors] == [
        "backend.pong",
        "backend.ca_file",
        "backend.client_key",
    ]
    assert "empty.pem holds no certificate" in raised.value.errors[1]
