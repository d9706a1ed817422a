"""The one exception that stands for a user's mistake."""


class InputError(ValueError):
    """Bad input from outside: its message is one line naming the field or file and what is allowed.

    The command line prints the message and exits with status 2. What stops a run that was rightly asked for, a full
    disk or a loss that is not finite, is one line and status 1; anything else is a bug and keeps its traceback.
    """


def first_line(error: Exception) -> str:
    """What an exception says, its first line alone, without a full stop; where it says nothing, what it is."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")


def one_line(text: str) -> str:
    """The text on one line, what could steer a terminal or is no character being written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))
