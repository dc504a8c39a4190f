"""Looking at the gateway: metrics, logs, and the recorder that carries flags and quarantine to the store."""
