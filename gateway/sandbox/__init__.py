"""Something to try the gateway with: a small backend and a handful of chargers of different temper."""
