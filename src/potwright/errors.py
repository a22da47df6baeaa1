"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message says what is wrong, where, what is allowed and what to do. The command line prints
    it alone, without a traceback, and exits with a nonzero status.
    """
