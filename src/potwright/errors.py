"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message says what is wrong, where, what is allowed and what to do. The command line prints
    it alone, without a traceback, and exits with a nonzero status.
    """


def in_words(error: BaseException) -> str:
    """What a user is told: the message of the mistake, wherever in the chain of causes it is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return str(error)
