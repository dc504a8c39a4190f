"""The admin plane: metrics, health and the HTTP API, on a port of its own."""
