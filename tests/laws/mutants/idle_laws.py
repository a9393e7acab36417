"""Laws that notice no mutant, each with the reason why there is none."""

IDLE_LAWS: dict[str, str] = {}
