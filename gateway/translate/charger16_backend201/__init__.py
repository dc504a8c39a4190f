"""A charger of OCPP 1.6 behind a backend of OCPP 2.0.1."""
