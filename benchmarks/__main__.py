"""`python -m benchmarks`: every benchmark there is."""

from benchmarks.relay import main

main()
