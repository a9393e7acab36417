"""Programs that show what tinkerproof is for."""
