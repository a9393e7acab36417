"""What holds for all tests: no property test is judged by a clock, and each draws the same every time."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tinkerproof", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tinkerproof")
