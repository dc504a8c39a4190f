import pytest

from gateway.store.memory import MemoryStore
from gateway.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def opened(request, tmp_path):
    """A function that makes the store; every implementation is one parameter."""

    async def make():
        return MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "data")

    return make
