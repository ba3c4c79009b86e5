"""JSON logs, one object a line, with the request's and the job's id wherever they are bound."""

import logging
import sys

import orjson
import structlog

from app.config import Settings


def _dump(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def configure_logs(settings: Settings) -> None:
    """Write structlog's events, and the standard library's, to standard error."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.processors.JSONRenderer(serializer=_dump)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    ))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
