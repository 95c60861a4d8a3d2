"""The one exception for what a person can mend: a sentence with place, value and way out. Stages subclass it."""


class Refusal(Exception):
    """Work that was not done, and why. Shown as it is, without a stack trace."""
