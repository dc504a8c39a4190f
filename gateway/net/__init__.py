"""Sockets and time: the charger side, the backend side, and the driver between them and the core."""
