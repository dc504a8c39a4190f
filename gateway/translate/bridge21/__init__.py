"""OCPP 2.1 and 2.0.1: the 64 messages both have pass by a filter of fields, those only 2.1 has end here."""
