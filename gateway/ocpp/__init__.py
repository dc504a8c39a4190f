"""The vocabulary: frames, actions, error codes, schemas, times, units and flags of OCPP 1.6, 2.0.1 and 2.1.

Nothing here knows about the rest of the gateway.
"""
