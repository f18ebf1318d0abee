r"""Regular expressions as RE2 reads them, which Envoy and Istio match with.

A wrong one is refused by Istio's webhook where there is one; where there is none, Envoy refuses the
whole configuration that it is in. So it is found here, before anything is written. What passes is
taken by RE2 in C++ (Envoy) and by Go's `regexp` (Istio's webhook).

Envoy has RE2 look at bytes, not at characters (Latin-1). So `[é-ü]` or `é+` would be taken and
mean something else; only ASCII passes here. Names that only one of the two knows are refused, too,
and so is `(?<name>…)`, which older proxies do not know.

Grammar: https://github.com/google/re2/wiki/Syntax
"""

import re
import string
from dataclasses import dataclass, field

LONGEST = 1024
"""Bytes that Istio allows."""

MOST_REPEATS = 1000
"""Copies of one part that RE2 makes at most, also where counts are nested."""

MOST_STEPS = 32_768
"""Size of a compiled program that Istio's proxies allow (`re2.max_program_size.error_level`)."""

_COUNT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_NAME = re.compile(r"\(\?P<([A-Za-z0-9_]+)>")
_UNNAMED = re.compile(r"\(\?([imsU]+(-[imsU]+)?|-[imsU]+)?:")
_SETTING = re.compile(r"\(\?([imsU]+(-[imsU]+)?|-[imsU]+)\)")
_NAMED_CLASS = re.compile(r"\[:\^?([a-z]+):\]")
_PROPERTY = re.compile(r"\\[pP]([CLMNPSZ]|\{\^?([CLMNPSZ][a-z]?|[A-Z][a-z]{2,})\})")
_CODE = re.compile(r"\\(x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|0[0-7]{0,2}|[1-7][0-7]{1,2})")
_NAMED_CLASSES = frozenset(
    {
        *("alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print"),
        *("punct", "space", "upper", "word", "xdigit"),
    }
)
_PERL_CLASSES = frozenset("dDsSwW")
_ASSERTIONS = frozenset("AbBz")
_CONTROLS: dict[str, int] = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_HIGHEST = 0xFF
_STEPS_OF_A_CLASS = 8
"""Measured with Envoy: a class of RE2 is at most so many ranges of bytes."""
_STEPS_AROUND = 2
"""What a group, an alternative or a repetition adds at most."""
_LOOKING_AROUND = ("(?=", "(?!", "(?<=", "(?<!")


class RegexError(ValueError):
    """A text is no regular expression of RE2; the message says where and why."""


def check_regex(text: str) -> None:
    r"""Check a regular expression.

    Raises:
        RegexError: RE2 does not read it.

    Example:
        >>> check_regex(r"^(.*?;)?\s*(company=acme)(;.*)?$")
        >>> check_regex("(?=acme)")
        Traceback (most recent call last):
        ...
        canary_operator.domain.re2.RegexError: at character 1: RE2 cannot look around: (?=
    """
    if len(text.encode("utf-8", errors="replace")) > LONGEST:
        raise RegexError(f"it has more than {LONGEST} bytes")
    reader = _Reader(text)
    foreign = next((index for index, char in enumerate(text) if not char.isascii()), None)
    if foreign is not None:
        reader.at = foreign
        raise reader.error(f"Envoy looks at bytes, so only ASCII can be matched: {text[foreign]}")
    size = reader.alternatives()
    if reader.at < len(text):
        raise reader.error("there is no ( for this )")
    if size.steps > MOST_STEPS:
        raise RegexError(f"it is too large: Istio's proxies take {MOST_STEPS} steps")


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a part is when it is compiled, at most."""

    steps: int = 1
    copies: int = 1
    """How often the most repeated part in it is there."""

    def beside(self, other: "_Size") -> "_Size":
        return _Size(self.steps + other.steps, max(self.copies, other.copies))

    def around(self) -> "_Size":
        return _Size(self.steps + _STEPS_AROUND, self.copies)

    def times(self, count: int) -> "_Size":
        return _Size(self.around().steps * count, self.copies * count)


@dataclass
class _Reader:
    """Reads from left to right; `at` is what comes next."""

    text: str
    at: int = 0
    names: set[str] = field(default_factory=set)

    def error(self, words: str) -> RegexError:
        return RegexError(f"at character {self.at + 1}: {words}")

    def _sees(self, *beginnings: str) -> bool:
        return self.text.startswith(beginnings, self.at)

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def alternatives(self) -> _Size:
        """Read up to the end or to a `)`."""
        size = self._sequence()
        while self._sees("|"):
            self.at += 1
            size = size.beside(self._sequence().around())
        return size

    def _sequence(self) -> _Size:
        size = _Size()
        while self._next() and not self._sees("|", ")"):
            start = self.at
            if self._sees("*", "+", "?") or _COUNT.match(self.text, self.at):
                raise self.error(f"nothing is there to repeat: {self._next()}")
            part = self._part()
            part = part.times(self._repetition())
            if part.copies > MOST_REPEATS:
                self.at = start
                raise self.error(f"it is repeated more than {MOST_REPEATS} times")
            size = size.beside(part)
        return size

    def _repetition(self) -> int:
        """Read what follows a part: how often it may come."""
        times = 1
        counted = _COUNT.match(self.text, self.at)
        if counted:
            times = self._count(counted)
            self.at = counted.end()
        elif self._sees("*", "+", "?"):
            self.at += 1
        else:
            return times
        if self._sees("?"):  # as few as possible
            self.at += 1
        if self._sees("*", "+", "?") or _COUNT.match(self.text, self.at):
            raise self.error(f"what is repeated is repeated again: {self._next()}")
        return times

    def _count(self, counted: re.Match[str]) -> int:
        low = int(counted[1])
        high = int(counted[3]) if counted[3] else low
        if low > MOST_REPEATS or high > MOST_REPEATS or high < low:
            raise self.error(f"{counted[0]} is no count from 0 to {MOST_REPEATS}")
        return max(high, 1)

    def _part(self) -> _Size:
        """Read what a repetition is about."""
        if self._sees("\\Q\\E") or _SETTING.match(self.text, self.at):
            self._nothing()
            return _Size()
        if self._sees("("):
            return self._group()
        start = self.at
        if self._sees("["):
            self._set()
        elif self._sees("\\"):
            self._escape()
        else:
            self.at += 1
            return _Size(_STEPS_AROUND)
        return _Size(_STEPS_OF_A_CLASS * (self.at - start))

    def _nothing(self) -> None:
        """Read what matches nothing by itself, so that it cannot be repeated."""
        setting = _SETTING.match(self.text, self.at)
        self.at = setting.end() if setting else self.at + len("\\Q\\E")
        if self._sees("*", "+", "?") or _COUNT.match(self.text, self.at):
            raise self.error(f"nothing is there to repeat: {self._next()}")

    def _group(self) -> _Size:
        start = self.at
        if self._sees(*_LOOKING_AROUND):
            shown = self.text[self.at : self.at + (4 if self._sees("(?<") else 3)]
            raise self.error(f"RE2 cannot look around: {shown}")
        named, unnamed = _NAME.match(self.text, self.at), _UNNAMED.match(self.text, self.at)
        if named:
            if named[1] in self.names:
                raise self.error(f"the name {named[1]} is there twice")
            self.names.add(named[1])
            self.at = named.end()
        elif unnamed:
            self.at = unnamed.end()
        elif self._sees("(?"):
            raise self.error("RE2 knows no such group; it knows (?:…), (?P<name>…) and (?i)")
        else:
            self.at += 1
        size = self.alternatives()
        if not self._sees(")"):
            self.at = start
            raise self.error("there is no ) for this (")
        self.at += 1
        return size.around()

    def _escape(self) -> int | None:
        """Read a backslash and what it belongs to; return the character that it means, if one."""
        found = _PROPERTY.match(self.text, self.at)
        letter = self.text[self.at + 1 : self.at + 2]
        if found:
            self.at = found.end()
            return None
        if letter == "Q":
            end = self.text.find("\\E", self.at)
            self.at = len(self.text) if end < 0 else end + 2
            return None
        if letter and letter in _PERL_CLASSES | _ASSERTIONS:
            self.at += 2
            return None
        return self._character()

    def _character(self) -> int:
        """Read one character, escaped or not; return its number."""
        if not self._sees("\\"):
            self.at += 1
            return ord(self.text[self.at - 1])
        code = _CODE.match(self.text, self.at)
        if code:
            value = _value(code[1])
            if value > _HIGHEST:
                raise self.error(f"there is no such character: {code[0]}")
            self.at = code.end()
            return value
        letter = self.text[self.at + 1 : self.at + 2]
        if letter in _CONTROLS:
            self.at += 2
            return _CONTROLS[letter]
        if not letter or letter not in string.punctuation:
            what = "refer back" if letter.isdigit() else "read"
            raise self.error(f"RE2 cannot {what}: \\{letter}")
        self.at += 2
        return ord(letter)

    def _set(self) -> None:
        start = self.at
        self.at += 2 if self._sees("[^") else 1
        first = True
        while first or not self._sees("]"):
            if not self._next():
                self.at = start
                raise self.error("there is no ] for this [")
            self._member()
            first = False
        self.at += 1

    def _member(self) -> None:
        named, found = _NAMED_CLASS.match(self.text, self.at), _PROPERTY.match(self.text, self.at)
        if named:
            if named[1] not in _NAMED_CLASSES:
                raise self.error(f"RE2 knows no class {named[0]}")
            self.at = named.end()
            return
        if self._sees("[:") and ":]" in self.text[self.at + 2 :]:
            raise self.error("RE2 knows no such class")
        if found or (self._sees("\\") and self.text[self.at + 1 : self.at + 2] in _PERL_CLASSES):
            self.at = found.end() if found else self.at + 2
            return
        start, low = self.at, self._character()
        if not self._sees("-") or self.text[self.at + 1 : self.at + 2] in {"]", ""}:
            return
        self.at += 1
        if self._character() < low:
            self.at = start
            raise self.error("the range ends before it begins")


def _value(code: str) -> int:
    if code.startswith("x"):
        return int(code.strip("x{}"), 16)
    return int(code, 8)
