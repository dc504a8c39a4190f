"""What holds of all tests: none judges by the clock, for the machine may be busy with other things."""

from hypothesis import HealthCheck, settings

settings.register_profile("by-no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("by-no-clock")
