"""Rule packs: what a brand gets wrong, as data. Read and checked here, compiled once, applied to payloads."""
