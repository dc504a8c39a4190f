"""From the bytes of a message to text: byte order marks, NUL bytes, and bytes that are not UTF-8."""

from gateway.dialect.notes import Notes
from gateway.ocpp.flags import FlagCode

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def decoded(data: bytes, notes: Notes) -> str:
    """The text of a message. What is not UTF-8 becomes U+FFFD; which charset it was is not guessed."""
    charset = "utf-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            notes.add(FlagCode.BYTE_ORDER_MARK)
            data, charset = data.removeprefix(mark), name
    if charset != "utf-8":
        notes.add(FlagCode.BAD_UTF8, after=f'"{charset}"')
    try:
        text = data.decode(charset)
    except UnicodeDecodeError:
        notes.add(FlagCode.BAD_UTF8)
        text = data.decode(charset, "replace")
        notes.replaced = True
    stripped = text.rstrip("\x00 \t\r\n")
    if "\x00" in text[len(stripped) :]:
        notes.add(FlagCode.NUL_AFTER_FRAME)
        return stripped
    return text
