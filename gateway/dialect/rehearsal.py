"""A charger to try an adapter or a pack with, for their tests."""

import json
from typing import Any

from gateway.dialect.adapter import Adapter
from gateway.dialect.brand import Brand
from gateway.dialect.reader import Mode, Reader
from gateway.dialect.reading import Reading
from gateway.dialect.rules.rule import Kind, Use
from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message, Sender, Version

NOW_S = 1_767_225_600.0  # 2026-01-01


class Rehearsal:
    """A charger and a backend with nothing between them but one adapter.

    `flags` are those of the last message, `messages` what went on to the backend because of it.
    """

    def __init__(self, adapter: Adapter, version: Version = Version.V16, now: float = NOW_S) -> None:
        self.reader = Reader(version)
        self.reader.follow(Mode.REPAIR, None, Brand((), ((adapter, Use.REPAIR),)))
        self.flags: list[Flag] = []
        self.messages: list[Message] = []
        self._now = now
        self._asked = 0
        self._last: tuple[str, str] = ("", "")
        self._commands: dict[str, str] = {}

    def calls(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The charger sends a CALL; the payload of that action as it goes on, {} when it is held back."""
        self._asked += 1
        self._last = (str(self._asked), action)
        self._read(json.dumps([2, str(self._asked), action, payload]))
        own = [message for message in self.messages if not message.is_made]
        return _payload(own[0].frame) if own else {}

    def hears(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The backend answers the charger's last CALL; the payload as the charger hears it."""
        id_, action = self._last
        return self._fit(json.dumps([3, id_, payload]), Kind.BACKEND_RESULT, action)

    def is_asked(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The backend sends a CALL; the payload as it reaches the charger, or the answer in its place."""
        self._asked += 1
        self._commands[str(self._asked)] = action
        self._last = (str(self._asked), action)
        return self._fit(json.dumps([2, str(self._asked), action, payload]), Kind.BACKEND_CALL, action)

    def answers(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The charger answers the backend's last CALL; the payload as it goes on."""
        self._read(json.dumps([3, self._last[0], payload]))
        return _payload(self.messages[0].frame) if self.messages else {}

    def _read(self, frame: str) -> None:
        got = self.reader.read(frame.encode(), Sender.CHARGER, self._commands.get, self._now)
        self.messages = got.messages if isinstance(got, Reading) else [got]
        self.flags = got.flags if isinstance(got, Reading) else []

    def _fit(self, frame: str, kind: Kind, action: str) -> dict[str, Any]:
        self.flags = []
        if (kind, action) not in self.reader.to_charger:
            return _payload(frame.encode())
        fitted = self.reader.fit(frame.encode(), kind, action)
        self.flags = fitted.flags
        return _payload(fitted.answer or fitted.data)


def _payload(frame: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(frame)[-1]
    return found
