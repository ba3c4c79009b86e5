"""Vectors as clients get them: in the product's own envelope or in OpenAI's (contract 3.3 and 3.5)."""

from dataclasses import dataclass
from typing import Any

from app.catalog.language.embedding import EmbeddingRequest
from app.db.ids import new_id
from app.providers.openrouter_embeddings import as_base64, as_numbers, read_embeddings
from app.providers.openrouter_usage import Said
from app.services.replay_call import Answer

# The most inputs, of the longest vectors in use, with the digits that JSON needs for a number.
LIMIT_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True)
class EmbeddingForm:
    """The vectors that were asked for, under the name that the client knows the model by.

    `is_own`: in the product's own envelope instead of OpenAI's.
    """

    asked: EmbeddingRequest
    model: str
    is_own: bool
    limit_bytes: int = LIMIT_BYTES

    def read(self, content: bytes) -> Said:
        return read_embeddings(content, count=self.asked.count, dimensions=self.asked.dimensions)

    def write(self, answer: Answer) -> object:
        # Numbers unless base64 was asked for: everybody understands them (contract 3.5).
        shown = as_base64 if self.asked.encoding_format == "base64" else as_numbers
        data = [
            {"object": "embedding", "index": index, "embedding": shown(vector)}
            for index, vector in enumerate(answer.document["vectors"])
        ]
        tokens = answer.usage.prompt_tokens
        body = {"data": data, "model": self.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
                "credits_used": answer.credits}
        return self._own(answer, body) if self.is_own else {"object": "list", **body}

    def _own(self, answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
        return {"success": True, "id": answer.document["id"] or f"gen-emb-{new_id()}", **body}
