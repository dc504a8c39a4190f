"""Room on the disk that is held back, so that a full disk does not stop what would empty it."""

import os
from contextlib import suppress
from pathlib import Path

NAME = "gateway.reserve"
RESERVE_BYTES = 32 * 1024 * 1024


class Reserve:
    """A file of `RESERVE_BYTES` in `directory`; `held` says whether it is there."""

    def __init__(self, directory: Path) -> None:
        self.held = False
        self._path = directory / NAME

    def make(self) -> bool:
        """Take the room; whether it is held. What was let go is taken back only when as much stays free."""
        if not self.held:
            self.held = self._is_there() or (_free_bytes(self._path) >= 2 * RESERVE_BYTES and self._take())
        return self.held

    def release(self) -> None:
        self.held = False
        with suppress(OSError):
            self._path.unlink()

    def is_scarce(self) -> bool:
        """Whether the disk is so full that other errors may come from it."""
        return _free_bytes(self._path) < RESERVE_BYTES

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_blocks * 512 >= RESERVE_BYTES
        except OSError:
            return False

    def _take(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            self.release()
            return False
        return True


def _free_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
