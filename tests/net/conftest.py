import pytest

from gateway.net import bundle


@pytest.fixture(params=["alone", "gathered"])
def each_way(request, monkeypatch):
    """A node hands messages on as they come, and gathers them, as it does with much to do."""
    if request.param == "gathered":
        monkeypatch.setattr(bundle, "GATHERS_FROM", 0.0)
