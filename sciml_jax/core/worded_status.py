"""What every enumeration of outcomes shares: an integer for compiled code, and words for the reader."""

import enum


class WordedStatus(enum.IntEnum):
    """Base of the enumerations of outcomes: each member is a code with a sentence, ``NAME = code, "message"``.

    Compiled code returns the code as an integer array; ``SomeStatus(int(code))`` gives the member back, and its ``str``
    says what happened and what to do.
    """

    message: str
    """What happened and, for a failure, the remedy."""

    def __new__(cls, code: int, message: str):
        """Make the member of this code, with its message."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"
