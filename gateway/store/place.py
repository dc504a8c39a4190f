"""Where the store keeps what is known of a charger: some of it is the charger's, some of it one backend's."""

OF_THE_CHARGER = frozenset({"station", "dialect", "link", "ids", "move"})
"""The parts that are the same for all backends of a charger."""

DEFAULT_BACKEND = "main"
_BETWEEN = "\x1f"  # no charger id and no backend's name has it


def place(key: str, backend: str) -> str:
    """The place of a charger (its registry key) and one of its backends (by name)."""
    return key if backend == DEFAULT_BACKEND else f"{key}{_BETWEEN}{backend}"


def taken_apart(place: str) -> tuple[str, str]:
    """The charger's registry key and the backend's name."""
    key, _, backend = place.partition(_BETWEEN)
    return key, backend or DEFAULT_BACKEND


def part_of(place: str, part: str) -> str:
    """Where one part of what is known is kept."""
    return taken_apart(place)[0] if part in OF_THE_CHARGER else place
