"""Which backends a charger has, what each of them may do, and how they are kept apart. Pure."""
