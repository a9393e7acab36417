"""Recipes of the published tinker-cookbook, unmodified and offline, on the engine."""
