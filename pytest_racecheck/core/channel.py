"""Messages between the process that explores and one task in another process: flat values, never pickled ones."""

from __future__ import annotations

import marshal
import os
import select
import socket
from typing import Any, Final

from pytest_racecheck.core.errors import RacecheckInternalError

Message = tuple[Any, ...]
"""A word that says what it is, and builtin values."""

_HEADER: Final = 4
_CHUNK: Final = 1 << 16
_DESCRIPTOR: Final = "descriptor"
"""Asks for a descriptor: it comes with a byte of its own, which must not be read together with a message."""


class GoneError(Exception):
    """The process at the other end does not exist any more, or has closed the channel."""


class Channel:
    """One end of a pair of sockets. Who waits for a message has nothing else to do.

    A bare descriptor, as every object that a forked process touches costs it a page of memory.
    """

    __slots__ = ("_read", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        """Below 0 when the channel is closed."""
        self._read = b""

    def send(self, *message: Any) -> None:
        """Send one message.

        Raises: GoneError.
        """
        data = marshal.dumps(message)
        data = len(data).to_bytes(_HEADER, "little") + data
        try:
            while (sent := os.write(self.descriptor, data)) < len(data):
                data = data[sent:]
        except OSError as error:
            raise GoneError from error

    def receive(self) -> Message:
        """Wait for the next message.

        Raises: GoneError.
        """
        data = self._read
        while len(data) < _HEADER or len(data) < (end := int.from_bytes(data[:_HEADER], "little") + _HEADER):
            try:
                more = os.read(self.descriptor, _CHUNK)
            except OSError as error:
                raise GoneError from error
            if not more:
                raise GoneError
            data += more
        self._read = data[end:]
        message = marshal.loads(data[_HEADER:end])  # noqa: S302  (data: no code in it is ever executed)
        if type(message) is not tuple:
            raise RacecheckInternalError(f"no message: {message!r}")
        return message

    def has_message(self) -> bool:
        """Whether something has come that nobody has received yet."""
        if self.descriptor < 0:
            return False
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def give(self, *descriptors: int) -> None:
        """Hand over descriptors to who is just going to `take` them; they stay the sender's as well.

        Raises: GoneError.
        """
        if self.receive() != (_DESCRIPTOR,):
            raise RacecheckInternalError("nobody asked for a descriptor")
        own = socket.socket(fileno=self.descriptor)
        try:
            socket.send_fds(own, [b"x"], descriptors)
        except OSError as error:
            raise GoneError from error
        finally:
            own.detach()

    def take(self, count: int = 1) -> list[int]:
        """Receive descriptors from who has said that there are so many; the caller owns them.

        Raises: GoneError.
        """
        self.send(_DESCRIPTOR)
        own = socket.socket(fileno=self.descriptor)
        try:
            _, descriptors, _, _ = socket.recv_fds(own, 1, count)
        except OSError as error:
            raise GoneError from error
        finally:
            own.detach()
        if len(descriptors) != count:
            raise GoneError
        return list(descriptors)

    def close(self) -> None:
        """Close this end."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def make_channel() -> tuple[Channel, Channel]:
    """Make both ends of a channel."""
    one, other = socket.socketpair()
    return Channel(one.detach()), Channel(other.detach())
