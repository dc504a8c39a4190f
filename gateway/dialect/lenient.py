"""JSON as chargers write it: read strictly where it is JSON, leniently where exactly one reading is left.

Numbers keep their text, members their order. Linear in time, bounded in depth and size. What stands
where a value is due and is none (NaN, nothing, 007) becomes a `Broken`, so that the schema can say
whether the message survives without it.
"""

import json
import re
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import Struct

from gateway.dialect.clean import MAX_DEPTH, MAX_NODES, bounded
from gateway.dialect.notes import Notes
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.values import Number, dumps

T = TypeVar("T")


class Broken(Struct, frozen=True, gc=False):
    """Something that is no value; `code` says what is wrong with it."""

    code: FlagCode
    text: str = "null"


class NotJsonError(Exception):
    """The text has no JSON reading; `code` says why."""

    def __init__(self, code: FlagCode) -> None:
        super().__init__(code)
        self.code = code


class Parsed(Struct, gc=False):
    """The values one after the other, and whether the last one lacked only closing brackets."""

    values: list[object]
    unclosed: bool = False


_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])", re.ASCII)
_WORD: Final = re.compile(r"[-+\w.]+")
_KEY: Final = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_CHUNK: Final = {'"': re.compile(r'[^"\\\x00-\x1f]+'), "'": re.compile(r"[^'\\\x00-\x1f]+")}
_SIMPLE: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX4: Final = re.compile(r"[0-9a-fA-F]{4}")
_HEX_NUMBER: Final = re.compile(r"[-+]?0[xX][0-9a-fA-F]+")
_WORDS: Final = {"true": True, "false": False, "null": None}
_PYTHON: Final = {"True": True, "False": False, "None": None, "undefined": None}
_NOT_NUMBERS: Final = {"nan", "inf", "infinity"}
_MAX_LAYERS: Final = 3


def parse(text: str, notes: Notes) -> Parsed:
    """Read a text as one or more JSON values; raises `NotJsonError`."""
    strict = _strict(text, notes)
    parsed = Parsed([strict]) if strict is not _FAILED else Parser(text, notes).run()
    for _ in range(_MAX_LAYERS):
        inner = parsed.values[0] if len(parsed.values) == 1 else None
        if not isinstance(inner, str) or not inner.lstrip().startswith("["):
            break
        notes.add(FlagCode.DOUBLE_ENCODED)
        strict = _strict(inner, notes)
        parsed = Parsed([strict]) if strict is not _FAILED else Parser(inner, notes).run()
    if not bounded(parsed.values):
        raise NotJsonError(FlagCode.FRAME_TOO_COMPLEX)
    return parsed


_FAILED: Final = object()


def _strict(text: str, notes: Notes) -> object:
    """The value of a text that is JSON to the letter; duplicate keys are resolved or raise."""
    if "\\ud" in text or "\\uD" in text or "\x00" in text:
        return _FAILED

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(items)
        return members if len(members) == len(items) else merged(items, notes)

    try:
        return json.loads(
            text, object_pairs_hook=pairs, parse_int=Number, parse_float=Number, parse_constant=_refused
        )
    except (ValueError, RecursionError):
        return _FAILED


def _refused(word: str) -> object:
    raise ValueError(word)


def merged(items: list[tuple[str, object]], notes: Notes) -> dict[str, object]:
    """The members of an object; a key that stands twice must have the same value both times."""
    members: dict[str, object] = {}
    for key, value in items:
        if key not in members:
            members[key] = value
        elif _same(members[key], value):
            notes.add(FlagCode.DUPLICATE_KEY, key)
        else:
            notes.add(FlagCode.DUPLICATE_KEY_CONFLICT, key)
    return members


def _same(one: object, other: object) -> bool:
    return not isinstance(one, Broken) and not isinstance(other, Broken) and one == other


class Parser:
    """One pass over a text that is not quite JSON."""

    def __init__(self, text: str, notes: Notes) -> None:
        self.text = text
        self.notes = notes
        self.pos = 0
        self.nodes = 0
        self.depth = 0
        self.unclosed = False

    def run(self) -> Parsed:
        """Every frame in the text; what follows the first and is no frame is cut off."""
        values = [self.value()]
        while True:
            self._space()
            while self._peek() in (",", "\x00"):
                self.pos += 1
                self._space()
            if self.pos >= len(self.text):
                break
            if self._peek() != "[" or self.unclosed:
                self.notes.add(FlagCode.TRAILING_GARBAGE, before=dumps(self.text[self.pos :][:200]))
                break
            self.notes.add(FlagCode.SEVERAL_FRAMES)
            try:
                values.append(self.value())
            except NotJsonError as error:
                self.notes.add(FlagCode.TRUNCATED if error.code is FlagCode.TRUNCATED else error.code)
                break
            if self.unclosed:
                self.notes.add(FlagCode.TRUNCATED)
                self.unclosed = False
                values.pop()
                break
        return Parsed(values, self.unclosed)

    def value(self) -> object:
        """The value at the current place."""
        self.nodes += 1
        if self.nodes > MAX_NODES or self.depth > MAX_DEPTH:
            raise NotJsonError(FlagCode.FRAME_TOO_COMPLEX)
        self._space()
        char = self._peek()
        if char in ('"', "'"):
            return self.string()
        if char in ("{", "["):
            self.depth += 1
            result = self.members() if char == "{" else self.items()
            self.depth -= 1
            return result
        return self.word()

    def items(self) -> list[object]:
        """An array; empty slots are dropped."""
        return self.series("]", self.value)

    def members(self) -> dict[str, object]:
        """An object; a key without a value gets a `Broken`."""
        return merged(self.series("}", self.member), self.notes)

    def series(self, closer: str, one: Callable[[], T]) -> list[T]:
        """What stands between a bracket and its closer, with commas where they belong or too many."""
        self.pos += 1
        found: list[T] = []
        due = True
        while True:
            self._space()
            char = self._peek()
            if char == "":
                self._ends(complete=not due)
                return found
            if char == closer:
                self.pos += 1
                if due and found:
                    self.notes.add(FlagCode.STRAY_COMMA)
                return found
            if char == ",":
                self.pos += 1
                if due:
                    self.notes.add(FlagCode.STRAY_COMMA)
                due = True
                continue
            if not due:
                raise NotJsonError(FlagCode.FRAME_UNREADABLE)
            found.append(one())
            due = False
            if self.unclosed:
                return found

    def member(self) -> tuple[str, object]:
        """One key and its value."""
        key = self.key()
        self._space()
        if self._peek() == "":
            raise NotJsonError(FlagCode.TRUNCATED)
        if self._peek() != ":":
            raise NotJsonError(FlagCode.FRAME_UNREADABLE)
        self.pos += 1
        self._space()
        if self._peek() in (",", "}"):
            self.notes.add(FlagCode.MISSING_VALUE, key)
            return key, Broken(FlagCode.MISSING_VALUE)
        if self._peek() == "":
            raise NotJsonError(FlagCode.TRUNCATED)
        return key, self.value()

    def key(self) -> str:
        """A key, quoted or not."""
        if self._peek() in ('"', "'"):
            return self.string()
        match = _KEY.match(self.text, self.pos)
        if match is None:
            raise NotJsonError(FlagCode.FRAME_UNREADABLE)
        self.pos = match.end()
        self.notes.add(FlagCode.UNQUOTED_KEY, match.group())
        return match.group()

    def word(self) -> object:
        """A number, a word JSON has, or something in its place."""
        if (number := _NUMBER.match(self.text, self.pos)) is not None:
            self.pos = number.end()
            if self.pos >= len(self.text) and self.depth:
                raise NotJsonError(FlagCode.TRUNCATED)
            return Number(number.group())
        match = _WORD.match(self.text, self.pos)
        if match is None:
            raise NotJsonError(FlagCode.TRUNCATED if self._peek() == "" else FlagCode.FRAME_UNREADABLE)
        word = match.group()
        self.pos = match.end()
        if word in _WORDS:
            return _WORDS[word]
        if word in _PYTHON:
            self.notes.add(FlagCode.PYTHON_LITERAL)
            return _PYTHON[word]
        if word.lstrip("+-").lower() in _NOT_NUMBERS:
            return Broken(FlagCode.NOT_A_NUMBER, dumps(word))
        if self.pos >= len(self.text) and self.depth:
            raise NotJsonError(FlagCode.TRUNCATED)
        if _HEX_NUMBER.fullmatch(word) or (
            any(char.isdigit() for char in word)
            and not any(char.isalpha() and char not in "eE" for char in word)
        ):
            self.notes.add(FlagCode.BAD_NUMBER, before=dumps(word))
            return Broken(FlagCode.BAD_NUMBER, dumps(word))
        raise NotJsonError(FlagCode.FRAME_UNREADABLE)

    def string(self) -> str:
        """A text, in either kind of quotes."""
        quote = self.text[self.pos]
        if quote == "'":
            self.notes.add(FlagCode.PYTHON_LITERAL)
        self.pos += 1
        parts: list[str] = []
        chunk = _CHUNK[quote]
        while True:
            if (plain := chunk.match(self.text, self.pos)) is not None:
                parts.append(plain.group())
                self.pos = plain.end()
            char = self._peek()
            if char == "":
                raise NotJsonError(FlagCode.TRUNCATED)
            if char == quote:
                self.pos += 1
                return _paired("".join(parts), self.notes)
            if char == "\\":
                parts.append(self.escape(quote))
            else:
                parts.append(char)
                self.pos += 1
                if char != "\x00":
                    self.notes.add(FlagCode.CONTROL_CHARACTER)

    def escape(self, quote: str) -> str:
        """What a backslash and the characters after it stand for."""
        char, rest = self.text[self.pos + 1 : self.pos + 2], self.text[self.pos : self.pos + 6]
        if char == "" or (char == "u" and len(rest) < 6 and quote not in rest):
            raise NotJsonError(FlagCode.TRUNCATED)
        if char in _SIMPLE:
            self.pos += 2
            return _SIMPLE[char]
        if char == "u" and (digits := _HEX4.match(self.text, self.pos + 2)) is not None:
            self.pos = digits.end()
            return chr(int(digits.group(), 16))
        if char == "'":
            self.pos += 2
            if quote == '"':
                self.notes.add(FlagCode.BAD_ESCAPE)
            return "'"
        self.pos += 1
        self.notes.add(FlagCode.BAD_ESCAPE)
        return "\\"

    def _ends(self, complete: bool) -> None:
        """The text ends inside an array or object."""
        if not complete:
            raise NotJsonError(FlagCode.TRUNCATED)
        self.unclosed = True

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.pos)
        if match is not None:
            self.pos = match.end()

    def _peek(self) -> str:
        return self.text[self.pos : self.pos + 1]


def _paired(text: str, notes: Notes) -> str:
    """The text with surrogate pairs joined and lone halves replaced."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if "\ufffd" in joined and joined.count("\ufffd") > text.count("\ufffd"):
        notes.add(FlagCode.LONE_SURROGATE)
    return joined
