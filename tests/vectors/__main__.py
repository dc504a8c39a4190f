"""`python -m tests.vectors FILE [NAME…]`: a line per vector, a count, and exit code 1 when one fails."""

import argparse
import sys
from pathlib import Path

from tests.vectors.player import Failure, load, play


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.vectors", description=__doc__)
    parser.add_argument("file", type=Path, help="vectors, one JSON object per line")
    parser.add_argument("names", nargs="*", help="only those whose name begins like this")
    options = parser.parse_args(arguments)
    passed = failed = 0
    for vector in load(options.file):
        name = vector["name"]
        if options.names and not name.startswith(tuple(options.names)):
            continue
        try:
            play(vector)
        except Failure as failure:
            failed += 1
            print(f"FAIL  {name}: {failure}")
        except Exception as error:  # one that cannot be read says nothing of the others
            failed += 1
            print(f"FAIL  {name}: cannot be played: {error!r}")
        else:
            passed += 1
            print(f"ok    {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
