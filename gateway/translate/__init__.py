"""Between versions of OCPP: what a charger of one version and a backend of another say to each other."""
