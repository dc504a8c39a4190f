"""The core: one charger's session takes events and returns effects, and nothing else happens here."""
