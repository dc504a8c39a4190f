"""The long form of the property tests: `python -m tests.dialect.fuzz --inputs 1000000`.

Frames of the corpora and of the schemas are spoilt at random. A failure prints its input and ends the
run with status 1; a message that takes too long to read is a failure, and so is memory that grows.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from gateway.ocpp.actions import UNANSWERED, actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import Node, schema
from tests.dialect.checks import check_any
from tests.dialect.mutate import spoil

SECONDS_PER_MESSAGE = 0.1
GROWTH_MIB = 32
STEPS = 20


def seeds() -> list[tuple[bytes, Version, Sender, str]]:
    here = Path(__file__).parent
    rows = [
        json.loads(line)
        for name in ("corpus.jsonl", "second_corpus.jsonl")
        for line in (here / name).read_text("utf-8").splitlines()
    ]
    return [
        (
            row["raw"].encode(),
            Version(row["version"]),
            Sender.CHARGER if row["direction"].startswith("charger") else Sender.BACKEND,
            row.get("action", ""),
        )
        for row in rows
        if "encoding" not in row
    ]


def value(node: Node, random: Random) -> Any:  # noqa: PLR0911
    """A value for one place of a schema."""
    match node.type:
        case "object":
            wanted = [name for name in node.properties if name in node.required or random.random() < 0.3]
            return {name: value(node.properties[name], random) for name in wanted}
        case "array":
            assert node.items is not None
            return [value(node.items, random) for _ in range(max(node.min_items, 1))]
        case "string" if node.enum:
            return random.choice(node.enum)
        case "string":
            return "2026-03-02T10:15:30Z" if node.date_time else "5400"[: node.max_length]
        case "boolean":
            return random.random() < 0.5
        case "integer" | "number":
            return int(node.minimum or 0) if node.maximum is None else int(node.maximum)
        case _:
            return {"a": [1, "b"]}


def from_schema(random: Random) -> tuple[bytes, Version, Sender, str]:
    """A frame of any action of any version, a call or an answer."""
    version, sender, is_call = (
        random.choice(list(Version)),
        random.choice(list(Sender)),
        random.random() < 0.6,
    )
    action = random.choice(sorted(actions_of(version, sender if is_call else sender.other) - UNANSWERED))
    node = schema(version, action, is_call)
    assert node is not None
    head = [2, "m1", action] if is_call else [3, "m1"]
    return json.dumps([*head, value(node, random)]).encode(), version, sender, action


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    random, frames = Random(arguments.seed), seeds()
    print(f"seed {arguments.seed}")
    slowest, warm_mib = 0.0, 0.0
    for number in range(arguments.inputs):
        data, version, sender, action = (
            random.choice(frames) if random.random() < 0.5 else from_schema(random)
        )
        data = spoil(data, random)
        begun = time.process_time()
        try:
            check_any(data, version, sender, action)
        except Exception:
            print(f"input {number}: {data!r} {version} {sender} {action}")
            raise
        slowest = max(slowest, time.process_time() - begun)
        if slowest > SECONDS_PER_MESSAGE:
            print(f"input {number} took {slowest:.2f} s: {data[:500]!r}")
            return 1
        if number % max(arguments.inputs // STEPS, 1) == 0:
            used = peak_mib()
            print(f"{number} inputs, the slowest took {slowest * 1000:.1f} ms, {used:.0f} MiB", flush=True)
            if number and used - (warm_mib := warm_mib or used) > GROWTH_MIB:
                print("memory grows")
                return 1
    print(f"{arguments.inputs} inputs, the slowest took {slowest * 1000:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
