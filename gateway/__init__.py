"""A tolerant OCPP gateway between chargers and their backends."""

__version__ = "0.1.0"
