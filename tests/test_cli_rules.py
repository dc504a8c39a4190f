"""The commands for authors of rules, without a gateway."""

import json
import re
import subprocess
import sys

import pytest

from gateway.cli import main

FRAME = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Occupied"}]'


def scaffold(folder, brand="Acme Street"):
    assert main(["adapter", "new", brand, "--directory", str(folder)]) == 0
    return folder / "rules" / "acme-street.toml"


def test_a_scaffold_loads_with_its_adapter_and_is_not_overwritten(tmp_path, capsys):
    file = scaffold(tmp_path)
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[backend]\nurl = "ws://127.0.0.1:1"\n[dialect]\nshipped = false\n'
        f'rules_directories = ["{tmp_path}/rules"]\n'
        f'adapter_directories = ["{tmp_path}/adapters"]\n'
    )
    assert main(["rules", "test", str(file)]) == 0
    assert main(["rules", "test", "--config", str(config)]) == 0
    assert main(["rules", "list", "--config", str(config)]) == 0
    assert main(["rules", "show", "acme-street", "--config", str(config)]) == 0
    assert main(["check", str(config)]) == 0
    told = capsys.readouterr().out
    for part in (
        "ok     acme-street: Occupied becomes Preparing",
        "2 of 2 tests hold, 1 packs",
        "adapter acme-street (repair)",
        "pack acme-street (repair): What Acme Street chargers get wrong.",
        "handles  charger_call StopTransaction",
        "1 rule packs, 1 adapters",
    ):
        assert part in told, part
    assert main(["adapter", "new", "ACME street", "--directory", str(tmp_path)]) == 2
    assert "there already" in capsys.readouterr().err


def pytest_passes(folder):
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests"))
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("brand", "name", "pattern"),
    [
        ("Acme Street", "acme-street", "acme street*"),
        ("Ümläut & Söhne", "umlaut-sohne", "ümläut & söhne*"),
        ('Acme "[EU]" Inc.', "acme-eu-inc", "acme ??eu?? inc?*"),
    ],
)
def test_a_scaffold_is_for_the_vendor_as_given(brand, name, pattern, tmp_path):
    scaffold(tmp_path, brand)
    file = tmp_path / "rules" / f"{name}.toml"
    assert f'vendor = "{pattern}"' in file.read_text()
    assert main(["rules", "test", str(file)]) == 0
    assert pytest_passes(tmp_path)
    file.write_text(file.read_text().replace(pattern, "other*"))
    assert not pytest_passes(tmp_path)


def test_a_pack_that_is_shipped_for_the_same_chargers_is_named(tmp_path, capsys):
    scaffold(tmp_path)
    assert "note" not in capsys.readouterr().out
    scaffold(tmp_path, "ABB Ltd")
    told = capsys.readouterr().out
    assert "note: the shipped pack abb is for such chargers too" in told
    assert 'write after = ["abb"] into it' in told


@pytest.mark.parametrize("brand", ["", "123", "."])
def test_a_brand_needs_a_name(brand, tmp_path, capsys):
    assert main(["adapter", "new", brand, "--directory", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_brand_is_never_a_path(tmp_path):
    assert main(["adapter", "new", "../x/..", "--directory", str(tmp_path / "here")]) == 0
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert made == ["here/adapters/x.py", "here/rules/x.toml", "here/tests/test_x.py"]


def test_tests_that_fail_and_files_that_do_not_load_are_told(tmp_path, capsys):
    file = scaffold(tmp_path)
    file.write_text(file.read_text().replace('Occupied = "Preparing"', 'Occupied = "Charging"'))
    assert main(["rules", "test", str(file), str(tmp_path / "none.toml")]) == 2
    told = capsys.readouterr()
    assert "FAILED acme-street: Occupied becomes Preparing" in told.out
    assert "1 of 2 tests hold" in told.out
    assert f"{file}: test 'Occupied becomes Preparing': it makes [2," in told.err
    assert "none.toml: cannot be read" in told.err


def test_what_a_pack_would_change_is_shown(tmp_path, capsys):
    file = scaffold(tmp_path)
    capture = tmp_path / "capture.jsonl"
    capture.write_text(
        json.dumps({"raw": FRAME, "id": "7"}) + "\n" + json.dumps({"raw": FRAME.replace("Occ", "X")})
    )
    capsys.readouterr()
    assert main(["rules", "try", str(file), "--capture", str(capture)]) == 0
    told = capsys.readouterr().out
    assert "frame 7  charger StatusNotification" in told
    assert 'status-mapped  status  "Occupied" → "Preparing"  rules/acme-street:status-occupied' in told
    assert "1 of 2 frames would change or be flagged by acme-street" in told
    assert main(["rules", "try", str(file), "--capture", str(capture), "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["before"], row["after"]) == (FRAME, FRAME.replace("Occupied", "Preparing"))
    for missing in (str(tmp_path / "none"), str(tmp_path / "empty")):
        (tmp_path / "empty").write_text("")
        assert main(["rules", "try", str(file), "--capture", missing]) == 2


def test_shipped_packs_are_listed_shown_and_tested(capsys):
    assert main(["rules", "test"]) == 0
    assert main(["rules", "list"]) == 0
    assert main(["rules", "show", "keba"]) == 0
    assert main(["rules", "show", "kebab"]) == 2
    told = capsys.readouterr()
    assert "rule tag-with-serial:" in told.out and "fact offline_authorisation:" in told.out
    assert "there is no pack or adapter 'kebab'; there are abb, " in told.err


def test_a_wrong_configuration_is_told(tmp_path, capsys):
    assert main(["rules", "list", "--config", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_proposal_is_printed_or_written_once(tmp_path, capsys):
    capture = tmp_path / "capture.jsonl"
    capture.write_text(json.dumps({"raw": FRAME}) + "\n")
    assert main(["suggest", str(capture)]) == 0
    assert "[[rule]]" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["suggest", "--help"])
    assert "--output my-rules/acme.toml" in capsys.readouterr().out
    file = tmp_path / "p.toml"
    assert main(["suggest", str(capture), "--output", str(file)]) == 0
    assert main(["suggest", str(capture), "--output", str(file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["suggest", str(capture), "--output", str(tmp_path / "no" / "p.toml")]) == 2


def test_of_a_pack_that_cannot_be_read_only_the_mistakes_are_told(tmp_path, capsys):
    bad = tmp_path / "bad.toml"
    bad.write_text("nonsense = ")
    assert main(["rules", "test", str(bad)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "bad.toml" in told.err


def test_a_pack_whose_blanks_are_not_filled_is_refused(tmp_path, capsys):
    file = scaffold(tmp_path)
    filled = file.read_text()
    file.write_text(filled.replace('Occupied = "Preparing"', 'Occupied = "TODO"'))
    assert main(["rules", "test", str(file)]) == 2
    told = capsys.readouterr().err
    assert f"{file}: rule 'status-occupied': do[0]: TODO stands in it; write what it should be" in told
    file.write_text(re.sub(r"^do +=", 'where = { connectorId = "TODO" }\ndo =', filled, flags=re.MULTILINE))
    assert main(["rules", "test", str(file)]) == 2
    assert "where.connectorId: TODO stands in it" in capsys.readouterr().err


def test_a_file_that_is_no_capture_is_refused_with_its_first_such_line(tmp_path, capsys):
    file, notes = scaffold(tmp_path), tmp_path / "notes.md"
    notes.write_text(f"{FRAME}\n\n# Notes\nmore")
    capsys.readouterr()
    for command in (["rules", "try", str(file), "--capture", str(notes)], ["suggest", str(notes)]):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert told == f"{notes}: line 3 is no frame: # Notes; give a file that `capture` wrote\n"


def test_all_packs_of_a_directory_are_tested(tmp_path, capsys):
    file = scaffold(tmp_path)
    assert main(["rules", "test", str(file.parent)]) == 0
    assert "2 of 2 tests hold, 1 packs" in capsys.readouterr().out
    assert main(["rules", "test", str(tmp_path)]) == 2
    assert f"{tmp_path}: there is no pack in it" in capsys.readouterr().err


def test_an_adapter_is_not_taken_for_a_pack(tmp_path, capsys):
    scaffold(tmp_path)
    (adapter,) = (tmp_path / "adapters").glob("*.py")
    assert main(["rules", "test", str(adapter)]) == 2
    assert f"{adapter}: is an adapter, not a pack" in capsys.readouterr().err


def test_an_empty_pattern_can_be_seen(capsys):
    assert main(["rules", "list"]) == 0
    assert 'vendor huawei* or ""; model scharger*' in capsys.readouterr().out
