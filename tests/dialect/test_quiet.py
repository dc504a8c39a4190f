"""The shortcut for meter values says the same as the long way."""

import json
from datetime import UTC, datetime
from random import Random

import pytest

from gateway.dialect import quiet
from gateway.dialect.reader import Reader, Reading
from gateway.ocpp.message import Sender, Version

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC).timestamp()

SAMPLES = [
    {"value": "5400", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
    {"value": "5.5", "unit": "kWh"},
    {"value": "12", "unit": "A"},
    {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"},
    {"value": "16", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
    {"value": "16", "measurand": "Current.Import", "phase": "N", "unit": "A"},
    {"value": "AZ09", "format": "SignedData"},
    {"value": "0", "context": "Transaction.Begin"},
    {"value": " 1"},
    {"value": "1,5"},
    {"value": "nan"},
    {"value": "-3.5", "measurand": "Temperature", "unit": "Celsius"},
]


def conversation(random: Random) -> list[bytes]:
    """Twenty MeterValues of one charger, with a start and a stop among them."""
    frames, clock = [], NOW - 3600
    for number in range(20):
        clock += random.choice([0, 30, 60, 900])
        stamp = datetime.fromtimestamp(clock, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        samples = [
            dict(sample) for sample in random.sample(SAMPLES[:5] if random.random() < 0.8 else SAMPLES, 2)
        ]
        if samples[0].get("unit") == "Wh":
            samples[0]["value"] = str(random.choice([0, 5400, 5500, 9_000_000]) + number)
        payload = {
            "connectorId": random.choice([0, 1, 1, 1]),
            "meterValue": [{"timestamp": stamp, "sampledValue": samples}],
        }
        if random.random() < 0.8:
            payload["transactionId"] = random.choice([0, 7, 7, 7])
        frames.append(json.dumps([2, str(number), "MeterValues", payload], separators=(",", ":")).encode())
    stop = {"transactionId": 7, "meterStop": 1, "timestamp": "2026-03-02T09:30:00Z"}
    frames.insert(random.randrange(20), json.dumps([2, "stop", "StopTransaction", stop]).encode())
    return frames


def verdicts(frames: list[bytes]) -> list[list[tuple[str, str]]]:
    reader = Reader(Version.V16)
    found = []
    for data in frames:
        reading = reader.read(data, Sender.CHARGER, lambda id_: None, NOW)
        flags = reading.flags if isinstance(reading, Reading) else []
        found.append([(flag.code, flag.path) for flag in flags])
    return found


@pytest.mark.parametrize("seed", range(40))
def test_the_shortcut_and_the_long_way_agree(seed, monkeypatch):
    frames = conversation(Random(seed))
    quickly = verdicts(frames)
    assert any(quickly) and not all(quickly)
    monkeypatch.setattr(quiet, "meter_values", lambda history, payload, now: False)
    assert quickly == verdicts(frames)
