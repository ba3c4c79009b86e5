"""The sandbox's tokenizer: a token is up to four Latin letters or digits (with the space before them), up to three
Thai characters, a run of white space, or one other character. Tokens joined give the text again."""

import re

TOKEN = re.compile(r" ?[A-Za-z0-9]{1,4}|[\u0e00-\u0e7f]{1,3}|\s+|.", re.DOTALL)

MESSAGE_TOKENS = 3
IMAGE_TOKENS = 258


def split(text: str) -> list[str]:
    """The text's tokens."""
    return TOKEN.findall(text)


def count(text: str) -> int:
    """How many tokens the text has."""
    return sum(1 for _ in TOKEN.finditer(text))
