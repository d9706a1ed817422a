"""The one exception that stands for a user's mistake."""


class InputError(ValueError):
    """Bad input from outside: its message is one line naming the field or file and what is allowed.

    The command line prints the message and exits with status 2. What stops a run that was rightly asked for, a full
    disk or a loss that is not finite, is one line and status 1; anything else is a bug and keeps its traceback.
    """


def one_line(text: str) -> str:
    """The text on one line, what could steer a terminal or is no character being written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))
