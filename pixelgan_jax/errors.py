"""The one exception that stands for a user's mistake."""


class InputError(ValueError):
    """Bad input from outside: its message is one line naming the field or file and what is allowed.

    The command line prints the message and exits with status 2; anything else is a bug and keeps its traceback.
    """
