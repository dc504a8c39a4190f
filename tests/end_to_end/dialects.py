"""Visits of chargers with the dialects that backends suffer from most, and what is to be told of them.

Every visit is a whole charging session. `VISITS[name]` has the frames in order; `STORY[name]` says which
flags they raise: code, path, what was there before, what after.
"""

from datetime import UTC, datetime

Story = set[tuple[str, str, str, str]]

_PRESENT = datetime.now(UTC).replace(microsecond=0)
NOW = _PRESENT.strftime("%Y-%m-%dT%H:%M:%SZ")
BARE = NOW[:-1]
PLAIN = BARE.replace("T", " ")
COMMA = BARE + ",250Z"
SECONDS = str(int(_PRESENT.timestamp()))
LOWER = NOW.lower()
_SAMPLE_0, _SAMPLE_1 = (f"meterValue[0].sampledValue[{number}]" for number in (0, 1))

BOOT = '{"chargePointVendor":"Vendor","chargePointModel":"One"}'
STATUS = '{"connectorId":1,"errorCode":"NoError","status":"Preparing"}'
AUTHORIZE = '{"idTag":"04A1B2C3"}'
START = f'{{"connectorId":1,"idTag":"04A1B2C3","meterStart":1000,"timestamp":"{NOW}"}}'
SAMPLE = '{"value":"1100","measurand":"Energy.Active.Import.Register","unit":"Wh"}'
VALUES = f'[{{"timestamp":"{NOW}","sampledValue":[{SAMPLE}]}}]'
METER = f'{{"connectorId":1,"transactionId":4711,"meterValue":{VALUES}}}'
STOP = f'{{"transactionId":4711,"meterStop":1200,"timestamp":"{NOW}","reason":"Local"}}'
PAYLOADS = {
    "BootNotification": BOOT,
    "StatusNotification": STATUS,
    "Authorize": AUTHORIZE,
    "StartTransaction": START,
    "MeterValues": METER,
    "StopTransaction": STOP,
}


def visit(**frames: str) -> list[bytes]:
    """A session of six CALLs with the ids m1 to m6, clean but for those given: a payload or a whole frame."""
    sent = []
    for number, (action, clean) in enumerate(PAYLOADS.items(), 1):
        frame = frames.get(action, clean)
        if frame.startswith("{"):
            frame = f'[2,"m{number}","{action}",{frame}]'
        sent.append(frame.encode())
    return sent


def _with(payload: str, *fields: str) -> str:
    """The payload with these fields at its end."""
    return ",".join([payload[:-1], *fields]) + "}"


VISITS: dict[str, list[bytes]] = {
    "lists-and-numbers": visit(
        BootNotification='{"chargePointVendor":"","chargePointModel":"One"}',
        MeterValues=METER.replace(VALUES, VALUES[1:-1]).replace('"1100"', "604.213"),
    ),
    "stray-commas": visit(
        StatusNotification=STATUS.replace('"NoError",', '"NoError",,'),
        MeterValues=METER.replace('"sampledValue":[', '"sampledValue":[,'),
        StopTransaction=STOP.replace("}", ",}"),
    ),
    "padded-and-comma": visit(
        MeterValues=METER.replace("1100", " 1100.0").replace(
            '"Wh"}', '"Wh"},{"value":"230,4","measurand":"Voltage","unit":"V"}'
        ),
    ),
    "missing-and-zoneless": visit(
        StatusNotification=_with(STATUS, f'"timestamp":"{BARE}"'),
        MeterValues=METER.replace('"transactionId":4711', '"transactionId":'),
        StopTransaction=STOP.replace(NOW, BARE),
    ),
    "python-repr": visit(
        BootNotification="[2, 'm1', 'BootNotification', "
        "{'chargePointVendor': 'Vendor', 'chargePointModel': 'One', 'firmwareVersion': None}]",
        StatusNotification='{connectorId:1,errorCode:"NoError",status:"Preparing"}',
    ),
    "control-bytes": visit(
        Authorize='{"idTag":"04A1B2C3\x10\x0e"}',
        StartTransaction=f'[2,"m4","StartTransaction",{START}]\0\0\0',
        StopTransaction=f'\ufeff[2,"m6","StopTransaction",{STOP}]',
    ),
    "numbers-as-text": visit(
        StatusNotification=f'["2","m2","StatusNotification",{STATUS}]'.replace(":1,", ':"1",'),
        StartTransaction=f'[2,4711,"StartTransaction",{START}]'.replace("1000", "1000.0"),
        StopTransaction=f'[2.0,12,"StopTransaction",{STOP}]'.replace(":4711", ':"4711"').replace(
            ":1200", ':"1200"'
        ),
    ),
    "own-words": visit(
        StatusNotification=STATUS.replace("NoError", "noerror").replace("Preparing", "Suspended EV"),
        MeterValues=METER.replace('Wh"}', 'wh"},{"value":"16.0","measurand":"Current.Import.L1","unit":"a"}'),
        StopTransaction=STOP.replace("Local", "local"),
    ),
    "null-for-absent": visit(
        BootNotification=_with(BOOT, '"iccid":null', '"imsi":null'),
        StatusNotification=_with(STATUS, '"info":null', '"vendorId":null'),
        StartTransaction=_with(START, '"reservationId":null'),
        StopTransaction=STOP.replace('"Local"', '""'),
    ),
    "times-of-their-own": visit(
        StatusNotification=_with(STATUS, f'"timestamp":"{LOWER}"'),
        StartTransaction=START.replace(NOW, PLAIN + "Z"),
        MeterValues=METER.replace(NOW, COMMA),
        StopTransaction=STOP.replace(f'"{NOW}"', SECONDS),
    ),
    "envelopes": visit(
        BootNotification=f'[1,"m1","BootNotification",{BOOT}]',
        StatusNotification=f'[2,"m2","StatusNotification.req",{STATUS},{{}}]',
        Authorize='[2,"m3","authorize","{\\"idTag\\":\\"04A1B2C3\\"}"]',
        StopTransaction=f'[2,"m6","StopTransaction",{STOP}]] garbage',
    ),
}


def _event(number: int, kind: str, trigger: str, time: str = NOW, state: str = "", values: str = "") -> str:
    return (
        f'[2,"e{number}","TransactionEvent",{{"eventType":"{kind}","timestamp":"{time}",'
        f'"triggerReason":"{trigger}","seqNo":{number},"transactionInfo":{{{state}"transactionId":"tx-1"}},'
        f'"evse":{{"id":1,"connectorId":1}}{values}}}]'
    )


_VALUES_16 = f',"meterValue":[{{"timestamp":"{NOW}","sampledValue":[{{"value":"1234.5","unit":"Wh"}}]}}]'
_VISIT_201 = (
    '[2,"m1","BootNotification",'
    '{"reason":"PowerUp","chargingStation":{"model":"Two","vendorName":"Vendor"}}]',
    '[2,"m2","StatusNotification",'
    f'{{"timestamp":"{NOW}","connectorStatus":"occupied","evseId":"1","connectorId":1.0}}]',
    '[2,"m3","Authorize",{"idToken":{"idToken":"04A1B2C3D4E5F6","type":"iso14443"}}]',
    _event(0, "Started", "Authorized"),
    _event(1, "Updated", "MeterValuePeriodic", state='"chargingState":"EVDetected",', values=_VALUES_16),
    _event(2, "Ended", "EVDeparted", time=PLAIN + "Z"),
)
VISITS["a-201-made-from-16"] = [frame.encode() for frame in _VISIT_201]

STORY: dict[str, Story] = {
    "lists-and-numbers": {
        ("text-empty", "chargePointVendor", '""', ""),
        ("not-a-list", "meterValue", "", ""),
        ("number-as-text", f"{_SAMPLE_0}.value", "604.213", '"604.213"'),
    },
    "stray-commas": {("stray-comma", "", "", "")},
    "padded-and-comma": {
        ("value-padded", f"{_SAMPLE_0}.value", '" 1100.0"', '"1100.0"'),
        ("decimal-comma", f"{_SAMPLE_1}.value", '"230,4"', '"230.4"'),
    },
    "missing-and-zoneless": {
        ("missing-value", "transactionId", "", ""),
        ("meter-without-transaction", "", "", ""),
        ("time-without-zone", "timestamp", f'"{BARE}"', f'"{BARE}+00:00"'),
    },
    "python-repr": {
        ("python-literal", "", "", ""),
        ("null-optional", "firmwareVersion", "null", ""),
        ("unquoted-key", "connectorId", "", ""),
        ("unquoted-key", "errorCode", "", ""),
        ("unquoted-key", "status", "", ""),
    },
    "control-bytes": {
        ("control-bytes-stripped", "idTag", r'"04A1B2C3\u0010\u000e"', '"04A1B2C3"'),
        ("nul-after-frame", "", "", ""),
        ("byte-order-mark", "", "", ""),
    },
    "numbers-as-text": {
        ("message-type-spelling", "", '"2"', "2"),
        ("text-as-number", "connectorId", '"1"', "1"),
        ("id-number", "", "4711", '"4711"'),
        ("integer-as-float", "meterStart", "1000.0", "1000"),
        ("message-type-spelling", "", "2.0", "2"),
        ("id-number", "", "12", '"12"'),
        ("text-as-number", "transactionId", '"4711"', "4711"),
        ("text-as-number", "meterStop", '"1200"', "1200"),
    },
    "own-words": {
        ("enum-spelling", "errorCode", '"noerror"', '"NoError"'),
        ("enum-spelling", "status", '"Suspended EV"', '"SuspendedEV"'),
        ("unit-spelling", f"{_SAMPLE_0}.unit", '"wh"', '"Wh"'),
        ("measurand-with-phase", f"{_SAMPLE_1}.measurand", '"Current.Import.L1"', '"Current.Import"'),
        ("unit-spelling", f"{_SAMPLE_1}.unit", '"a"', '"A"'),
        ("enum-spelling", "reason", '"local"', '"Local"'),
    },
    "null-for-absent": {
        ("null-optional", "iccid", "null", ""),
        ("null-optional", "imsi", "null", ""),
        ("null-optional", "info", "null", ""),
        ("null-optional", "vendorId", "null", ""),
        ("null-optional", "reservationId", "null", ""),
        ("empty-optional", "reason", '""', ""),
    },
    "times-of-their-own": {
        ("time-format", "timestamp", f'"{LOWER}"', f'"{NOW}"'),
        ("time-space", "timestamp", f'"{PLAIN}Z"', f'"{NOW}"'),
        ("time-comma", "meterValue[0].timestamp", f'"{COMMA}"', f'"{BARE}.250Z"'),
        ("time-epoch", "timestamp", SECONDS, f'"{NOW}"'),
    },
    "envelopes": {
        ("message-type-spelling", "", "1", "2"),
        ("action-spelling", "", '"StatusNotification.req"', '"StatusNotification"'),
        ("element-extra", "", "", ""),
        ("action-spelling", "", '"authorize"', '"Authorize"'),
        ("payload-as-text", "", "", ""),
        ("trailing-garbage", "", '"] garbage"', ""),
    },
    "a-201-made-from-16": {
        ("enum-spelling", "connectorStatus", '"occupied"', '"Occupied"'),
        ("text-as-number", "evseId", '"1"', "1"),
        ("integer-as-float", "connectorId", "1.0", "1"),
        ("enum-spelling", "idToken.type", '"iso14443"', '"ISO14443"'),
        ("field-old-name", "transactionInfo.chargingState", '"EVDetected"', '"EVConnected"'),
        ("sample-style", f"{_SAMPLE_0}.unit", '"Wh"', ""),
        ("text-as-number", f"{_SAMPLE_0}.value", '"1234.5"', "1234.5"),
        ("time-space", "timestamp", f'"{PLAIN}Z"', f'"{NOW}"'),
    },
}
