"""A 2.0.1 charger behind a 1.6 backend: one file per subject."""
