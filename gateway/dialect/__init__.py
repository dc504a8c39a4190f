"""Every charger and backend speaks the standard of its own version: repairs, flags, profiles, rules."""
