"""The long form of the property tests: `python -m tests.dialect.fuzz --inputs 1000000`.

Frames of the corpus and of the schemas are spoilt at random. A failure prints its input and ends the
run with status 1; a message that takes too long to read is a failure as well.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random

from gateway.ocpp.message import Sender, Version
from tests.dialect.checks import check_any
from tests.dialect.mutate import spoil

SECONDS_PER_MESSAGE = 1.0


def seeds() -> list[tuple[bytes, Version, Sender, str]]:
    rows = [
        json.loads(line) for line in (Path(__file__).parent / "corpus.jsonl").read_text("utf-8").splitlines()
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    random, frames = Random(arguments.seed), seeds()
    print(f"seed {arguments.seed}")
    slowest = 0.0
    for number in range(arguments.inputs):
        data, version, sender, action = random.choice(frames)
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
    print(f"{arguments.inputs} inputs, the slowest took {slowest * 1000:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
