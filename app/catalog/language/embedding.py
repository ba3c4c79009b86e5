"""Texts to be turned into vectors, as a client asks for it (contract 3.3 and 3.5), and what of it is passed on."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from app.catalog.language.chat import Lenient

INPUTS_MOST = 2_048
PASSED = ("input", "encoding_format", "dimensions")

Text = Annotated[str, Field(min_length=1)]
# SDKs that count tokens themselves send numbers in the place of text.
Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class EmbeddingRequest(Lenient):
    """One text or many."""

    input: (
        Text | Annotated[list[Text] | Tokens | list[Tokens], Field(min_length=1, max_length=INPUTS_MOST)]
    ) = Field(union_mode="left_to_right")
    model: str | None = Field(default=None, min_length=1, max_length=200)
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1, le=65_536)

    @property
    def count(self) -> int:
        """How many vectors are wanted."""
        is_one = isinstance(self.input, str) or isinstance(self.input[0], int)
        return 1 if is_one else len(self.input)


def embedding_body(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What goes upstream, but for the model; `raw` is the body that was validated."""
    return {name: raw[name] for name in PASSED if raw.get(name) is not None}


def input_bound(body: Mapping[str, Any]) -> int:
    """The most tokens that the input can be counted as: its bytes. A number is a token, and has two bytes at least."""
    return len(orjson.dumps(body["input"]))
