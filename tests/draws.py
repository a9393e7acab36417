"""How much is drawn: little in `make test`, much in `make thorough`."""

from hypothesis import settings

__all__ = ["THOROUGH", "draws"]

THOROUGH = settings.get_current_profile_name() == "thorough"


def draws(few: int, many: int) -> int:
    """The count for this run: of examples, of tests, of whatever a test does again and again."""
    return many if THOROUGH else few
