"""Settings: one frozen instance, read once from the environment (prefix `PHAYA_`) and an optional `.env` file.

Every name here is documented in `deploy/settings.md`. Nothing else in the code reads the environment.
"""

import os
import tempfile
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PostgresDsn, RedisDsn, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

WEAK_SECRETS = frozenset({"", "phaya", "postgres", "password", "secret", "changeme", "change-me", "example", "admin"})


class Environment(StrEnum):
    """Where the process runs. Only `embedded` (a stack of one's own on loopback) may use default secrets."""

    EMBEDDED = "embedded"
    PRODUCTION = "production"


def comma_separated(value: object) -> object:
    """Let a list setting be written `a,b,c` in the environment."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All settings of every process."""

    model_config = SettingsConfigDict(env_prefix="PHAYA_", env_file=".env", extra="ignore", frozen=True)

    environment: Environment = Environment.PRODUCTION
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_prompts: bool = False

    # Postgres and Redis
    database_url: PostgresDsn = PostgresDsn("postgresql+asyncpg://phaya:phaya@127.0.0.1:5432/phaya")
    # Who owns the schema; `phaya migrate` alone needs it. Without it the serving role owns the tables.
    database_owner_url: PostgresDsn | None = None
    database_pool_size: int = Field(default=10, ge=2, le=200)
    redis_url: RedisDsn = RedisDsn("redis://127.0.0.1:6379/0")

    # The API
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    api_processes: int = Field(default=1, ge=1, le=64)
    public_url: str | None = None
    rate_limit_per_minute: int = Field(default=60, ge=1)
    upload_limit_bytes: int = Field(default=100 * 1024 * 1024, ge=1)
    body_limit_bytes: int = Field(default=20 * 1024 * 1024, ge=1)
    cors_origins: CommaList = ()
    # Lets Prometheus read /metrics without an admin key.
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    # Where several API processes add up what they count. Set by who starts them, by the library's own name.
    prometheus_multiproc_dir: Path | None = Field(default=None, validation_alias="PROMETHEUS_MULTIPROC_DIR")

    # Storage of uploads and results
    storage: Literal["local", "s3"] = "local"
    storage_dir: Path = Path(".phaya/files")
    s3_bucket: str | None = None
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    retention_days: int | None = Field(default=None, ge=1)

    # Where steps work on files, each in a private folder that is removed after it
    work_dir: Path = Path(tempfile.gettempdir()) / f"phaya-work-{os.getuid()}"

    # The guarded fetcher: hosts (`host`, `host:port`) and networks (CIDR) that it may reach although they are private
    fetch_allow: CommaList = ()

    # Providers. A provider without a key is off; several keys take turns.
    kie_api_keys: CommaList = ()
    kie_base_url: str = "https://api.kie.ai"
    kie_upload_url: str = "https://kieai.redpandaai.co"
    kie_creates_per_10s: int = Field(default=20, ge=1)
    kie_queries_per_s: int = Field(default=10, ge=1)
    openrouter_api_keys: CommaList = ()
    openrouter_base_url: str = "https://openrouter.ai/api/v1"
    gemini_api_keys: CommaList = ()
    gemini_base_url: str = "https://generativelanguage.googleapis.com"
    gemini_tts_model: str = "gemini-3.8-flash-tts"
    whisper_api_keys: CommaList = ()
    whisper_base_url: str = "https://api.together.xyz/v1"
    whisper_model: str = "openai/whisper-large-v3"

    # Where Veo and Suno have routes of their own at KIE beside the jobs API: which are used
    kie_dialect: Literal["legacy", "jobs"] = "legacy"

    # For when a provider renames a model: its new id by the one that the catalogue knows, `{"z-image": "z-image-2"}`
    upstream_models: dict[str, str] = Field(default_factory=dict)

    # Chat
    chat_default_model: str = "google/gemini-3-flash-preview"
    chat_max_tokens: int = Field(default=8_192, ge=256)
    chat_timeout_s: float = Field(default=300, gt=0)
    # Credits for one US dollar of a provider's list price, for models without a rate of their own.
    credits_per_usd: Decimal = Decimal(35)

    # Workers
    worker_concurrency: int = Field(default=50, ge=1)
    media_concurrency: int | None = Field(default=None, ge=1)
    lease_s: float = Field(default=10, ge=1)
    sweep_s: float = Field(default=2, gt=0)
    grace_s: float = Field(default=900, gt=0)

    @field_validator(
        "cors_origins", "fetch_allow", "kie_api_keys", "openrouter_api_keys", "gemini_api_keys", "whisper_api_keys",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return comma_separated(value)

    @field_validator("metrics_token", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("public_url", "kie_base_url", "kie_upload_url", "openrouter_base_url", "gemini_base_url",
                     "whisper_base_url")
    @classmethod
    def _no_trailing_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _refuse_weak_secrets(self) -> Self:
        if self.environment is Environment.EMBEDDED:
            return self
        password = self.database_url.hosts()[0].get("password") or ""
        if password.lower() in WEAK_SECRETS:
            raise ValueError("PHAYA_DATABASE_URL has no password or a default one: make one with `phaya secrets`")
        return self


@cache
def get_settings() -> Settings:
    """The process's settings, read at the first call."""
    return Settings()
