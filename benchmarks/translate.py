"""What translating one message costs: microseconds per kind of message, both ways.

    python -m benchmarks.translate [--rounds N]

Each exchange is a CALL, the CALLs it becomes, their answers, and the answer back. The snapshot that goes
into the store with it is counted apart.
"""

import argparse
import time
from collections.abc import Callable

from gateway.ocpp.message import Version
from gateway.ocpp.schema import schema
from gateway.translate.factory import translator_for
from gateway.translate.port import BackendCall, ChargerCall, ToBackend, ToCharger, Translator
from gateway.translate.rehearsal import simplest

TX = "6f1d2c3b-4a59-4e87-9b0a-1c2d3e4f5a6b"
AT = "2026-01-01T10:00:00Z"
SAMPLES_16 = [
    {
        "value": "1200.5",
        "context": "Sample.Periodic",
        "measurand": "Energy.Active.Import.Register",
        "unit": "Wh",
    },
    {"value": "16.0", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
    {"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"},
]
SAMPLES_201 = [
    {"value": 1200.5, "measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh"}},
    {"value": 16.0, "measurand": "Current.Import", "phase": "L1", "unitOfMeasure": {"unit": "A"}},
    {"value": 7.4, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "kW"}},
]
EXCHANGES = {
    (Version.V16, Version.V201): [
        ("charger", "Heartbeat", {}),
        ("charger", "Authorize", {"idTag": "04A2B3C4D5E680"}),
        ("charger", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}),
        (
            "charger",
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": SAMPLES_16}]},
        ),
        (
            "backend",
            "GetVariables",
            {
                "getVariableData": [
                    {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
                ]
            },
        ),
        ("backend", "Reset", {"type": "Immediate"}),
    ],
    (Version.V201, Version.V16): [
        ("charger", "Heartbeat", {}),
        (
            "charger",
            "StatusNotification",
            {"timestamp": AT, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        ),
        (
            "charger",
            "MeterValues",
            {"evseId": 1, "meterValue": [{"timestamp": AT, "sampledValue": SAMPLES_201}]},
        ),
        ("backend", "ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
    ],
}


def exchange(
    translator: Translator, sender: str, action: str, payload: dict[str, object], number: int
) -> int:
    """One CALL and all that follows; how many CALLs it became."""
    now = 1_767_261_600.0 + number
    if "meterValue" in payload:  # the same readings again are not sent again
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        payload = payload | {"meterValue": [payload["meterValue"][0] | {"timestamp": stamp}]}  # type: ignore[index]
    if sender == "charger":
        orders = translator.charger_call(ChargerCall(str(number), action, payload, now), now)
    else:
        orders = translator.backend_call(BackendCall(str(number), action, payload), now)
    became = 0
    while asked := [order for order in orders if isinstance(order, ToBackend | ToCharger)]:
        orders = []
        for order in asked:
            became += 1
            towards_backend = isinstance(order, ToBackend)
            version = translator.backend_version if towards_backend else translator.charger_version
            node = schema(version, order.action, False)
            answer = simplest(node, now) if node else {}
            tell = translator.backend_answered if towards_backend else translator.charger_answered
            orders += tell(order.token, answer, now)
    return became


def microseconds(work: Callable[[int], object], rounds: int) -> float:
    """The best of five runs, per round."""
    best = float("inf")
    for attempt in range(5):
        begin = time.perf_counter()
        for number in range(rounds):
            work(attempt * rounds + number)
        best = min(best, time.perf_counter() - begin)
    return best / rounds * 1e6


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.translate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=2000, help="exchanges per run (2000)")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args(arguments)
    rounds = 50 if options.quick else options.rounds
    print(f"{'charger':8} {'backend':8} {'from':8} {'message':20} {'became':>6} {'µs':>8}")
    for (charger, backend), exchanges in EXCHANGES.items():
        translator = translator_for(charger, backend)
        assert translator is not None
        translator.backend_opened(0.0)
        for sender, action, payload in exchanges:
            became = exchange(translator, sender, action, payload, 0)

            def once(number: int, s: str = sender, a: str = action, p: dict[str, object] = payload) -> None:
                exchange(translator, s, a, p, number + 1)  # noqa: B023

            cost = microseconds(once, rounds)
            print(f"{charger:8} {backend:8} {sender:8} {action:20} {became:6} {cost:8.1f}")
        cost = microseconds(lambda number: translator.snapshot(), rounds)  # noqa: B023
        print(f"{charger:8} {backend:8} {'':8} {'(snapshot)':20} {'':6} {cost:8.1f}")


if __name__ == "__main__":
    main()
