"""Adapters that come with the gateway: one file per vendor family, for what a rule pack cannot say."""
