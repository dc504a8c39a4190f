"""What the gateway keeps: the promise (`protocol`) and its implementations, held to one contract test."""
