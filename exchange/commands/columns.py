"""Text measured and wrapped in terminal columns: a Chinese character is two columns wide."""

import re
import unicodedata

_UNIT = re.compile(r"\[[^\]]*\]|[（《]*(?:[!-\u2e7f]+|[^\s!-\u2e7f])[、，。；：！？）》]*|\s+")
"""A text in brackets, a word, a Chinese character with its punctuation, or a space.

No line breaks inside such a unit.
"""


def display_width(text: str) -> int:
    """The number of terminal columns that a text takes.

    >>> display_width("hub"), display_width("青岛")
    (3, 4)
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def pad(text: str, width: int) -> str:
    """The text with spaces behind it, up to a number of terminal columns."""
    return text + " " * (width - display_width(text))


def wrap(text: str, width: int) -> list[str]:
    """The lines of a text, each at most `width` columns wide unless it is a single word.

    Lines break at spaces and beside Chinese characters. Punctuation stays with its character.

    >>> wrap("Print JSON for a program.", 12)
    ['Print JSON', 'for a', 'program.']
    >>> wrap("输出 JSON，供程序使用。", 12)
    ['输出 JSON，', '供程序使用。']
    """
    lines = [""]
    for unit in _UNIT.findall(text):
        if lines[-1] and display_width(lines[-1] + unit.rstrip()) > width:
            lines.append("")
        lines[-1] += unit if lines[-1] else unit.lstrip()
    return [line.rstrip() for line in lines if line.strip()]
