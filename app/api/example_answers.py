"""Example answers of every service, for its OpenAPI description and for the documentation."""

from decimal import Decimal
from typing import Any

from app.catalog.model import ResultField, Service
from app.ledger import HoldKind

JOB_ID = "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"
HOST = "https://phaya.example.com"
# By how a field is named: what is found at its address.
SUFFIXES = {"image": ".png", "video": ".mp4", "origin": ".mp4", "audio": ".mp3", "download": ".mp4"}
TOKENS = ("kQ3vYx8Rz1LmN0pTbW5sHc7dJf2gUa9e", "Zt6bXo4KqV9wEr1yPn8mGh3sDl5jCf0u")


def example_create(service: Service) -> dict[str, Any]:
    """What the create of its last example answers."""
    credits = service.examples[-1].credits if service.hold is HoldKind.VISIBLE else "0"
    return {
        "success": True, "job_id": JOB_ID, "task_id": JOB_ID, "status": service.vocabulary.words[0],
        "message": "Job created", "credits_used": float(Decimal(credits)),
    }


def example_status(service: Service) -> dict[str, Any]:
    """What the status answers once that job has succeeded."""
    return {
        "success": True, "job_id": JOB_ID, "task_id": JOB_ID,
        "status": next(word for word in service.vocabulary.words if word.lower() == "completed"),
        **({"kind": service.kind} if service.kind else {}),
        "progress": 100, "message": "Job completed", "error": None,
        **{field.name: _example(service, field) for field in service.results},
        "credits_used": float(Decimal(service.examples[-1].credits)), "processing_time_ms": 4820,
        "created_at": "2026-05-13T09:35:51Z", "completed_at": "2026-05-13T09:35:56Z",
    }


def _example(service: Service, field: ResultField) -> object:
    if field.example is not None:
        return field.example
    suffix = field.suffix or SUFFIXES[field.name.partition("_")[0]]
    addresses = [f"{HOST}/files/{token}/{service.id}{suffix}" for token in TOKENS]
    return addresses if field.name.endswith("s") else addresses[0]
