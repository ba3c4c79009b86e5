"""Settings: one frozen instance, read once from the environment (prefix `PHAYA_`) and an optional `.env` file.

The text under a setting is its documentation: `deploy/settings.py` makes `deploy/settings.md` of it. Nothing else in
the code reads the environment.
"""

import os
import tempfile
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PostgresDsn, RedisDsn, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

WEAK_SECRETS = frozenset({"", "phaya", "postgres", "password", "secret", "changeme", "change-me", "example", "admin"})


class Environment(StrEnum):
    """Where the process runs. Only `embedded` (a stack of one's own on loopback) may use default secrets."""

    EMBEDDED = "embedded"
    PRODUCTION = "production"


class DownloadFrom(StrEnum):
    """A site that videos are downloaded from (app.media.platforms). `generic` stands for every site there is."""

    YOUTUBE = "youtube"
    TIKTOK = "tiktok"
    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"
    X = "x"
    VIMEO = "vimeo"
    DAILYMOTION = "dailymotion"
    TWITCH = "twitch"
    SOUNDCLOUD = "soundcloud"
    BILIBILI = "bilibili"
    REDDIT = "reddit"
    PINTEREST = "pinterest"
    ANYWHERE = "generic"


def comma_separated(value: object) -> object:
    """Let a list setting be written `a,b,c` in the environment."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(comma_separated)]


class Settings(BaseSettings):
    """All settings of every process."""

    model_config = SettingsConfigDict(
        env_prefix="PHAYA_", env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    environment: Environment = Environment.PRODUCTION
    """`embedded` is a stack of one's own on this machine, which may use default secrets."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe events that are logged."""
    log_prompts: bool = False
    """Whether logs may hold what clients asked for."""

    database_url: PostgresDsn = PostgresDsn("postgresql+asyncpg://phaya:phaya@127.0.0.1:5432/phaya")
    """Postgres, as the role that serves: it can add to the ledger and never rewrite it."""
    database_owner_url: PostgresDsn | None = None
    """The same database as the owner of the schema, for `phaya migrate` alone. Without it the serving role owns it."""
    database_pool_size: int = Field(default=10, ge=2, le=200)
    """Connections of each process."""
    database_wait_s: float = Field(default=10, gt=0)
    """Seconds to wait for a connection while all are in use; then the answer is 503."""
    redis_url: RedisDsn = RedisDsn("redis://127.0.0.1:6379/0")
    """Redis, or what speaks its protocol. It may be wiped at any moment."""

    host: str = "127.0.0.1"
    """The address that the API listens on; with Docker, the address of the machine where it is published."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Its port there."""
    api_processes: int = Field(default=1, ge=1, le=64)
    """Processes of the API on one machine; one for each core that it may use."""
    public_url: str | None = None
    """Where clients and providers reach the API from outside. Without it results carry the address that the client
    used, and no provider is asked for callbacks: polling does."""
    trusted_proxies: CommaList = ()
    """Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    rate_limit_per_minute: int = Field(default=60, ge=1)
    """Requests of a key in a minute, where the key has no rate of its own."""
    upload_limit_bytes: int = Field(default=100 * 1024 * 1024, ge=1)
    """The largest file that can be uploaded."""
    body_limit_bytes: int = Field(default=20 * 1024 * 1024, ge=1)
    """The largest body of any other request."""
    cors_origins: CommaList = ()
    """Origins whose pages may call the API from a browser."""
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    """Lets Prometheus read `/metrics` without an admin key."""
    prometheus_multiproc_dir: Path | None = Field(default=None, validation_alias="PROMETHEUS_MULTIPROC_DIR")
    """Where several API processes add up what they count. Set by who starts them, by the library's own name."""

    storage: Literal["local", "s3"] = "local"
    """Where uploads and results are kept."""
    storage_dir: Path = Path(".phaya/files")
    """The folder, for `local`; several processes of one machine share it."""
    s3_bucket: str | None = None
    """The bucket, for `s3`."""
    s3_endpoint: str | None = None
    """The address of an S3-compatible server that is not Amazon's."""
    s3_region: str = "us-east-1"
    """The bucket's region."""
    s3_access_key: SecretStr | None = None
    """Without keys those of the machine are used."""
    s3_secret_key: SecretStr | None = None
    """The access key's secret."""
    retention_days: int | None = Field(default=None, ge=1)
    """How long uploads and results are kept; without it, for ever."""

    work_dir: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()) / f"phaya-work-{os.getuid()}")
    """Where steps work on files, each in a private folder that is removed after it. Without it, in the machine's folder
    for temporary files."""

    fetch_allow: CommaList = ()
    """Hosts (`host`, `host:port`) and networks (CIDR) that may be fetched from although they are not public."""

    download_from: Annotated[tuple[DownloadFrom, ...], NoDecode, BeforeValidator(comma_separated)] = tuple(
        site for site in DownloadFrom if site is not DownloadFrom.ANYWHERE
    )
    """The sites that videos may be downloaded from. One more, `generic`, stands for every site there is."""

    kie_api_keys: CommaList = ()
    """Keys of KIE.ai. A provider without a key is off; several keys take turns."""
    kie_base_url: str = "https://api.kie.ai"
    """Its API."""
    kie_upload_url: str = "https://kieai.redpandaai.co"
    """Its upload API."""
    kie_creates_per_10s: int = Field(default=20, ge=1)
    """Jobs that each key may create in ten seconds."""
    kie_queries_per_s: int = Field(default=10, ge=1)
    """Jobs that each key may ask after in a second."""
    kie_dialect: Literal["legacy", "jobs"] = "legacy"
    """How Veo and Suno are asked for: by routes of their own, or by the jobs API."""
    openrouter_api_keys: CommaList = ()
    """Keys of OpenRouter."""
    openrouter_base_url: str = "https://openrouter.ai/api/v1"
    """Its API."""
    gemini_api_keys: CommaList = ()
    """Keys of Gemini."""
    gemini_base_url: str = "https://generativelanguage.googleapis.com"
    """Its API."""
    gemini_tts_model: str = "gemini-3.8-flash-tts"
    """The model that speaks."""
    whisper_api_keys: CommaList = ()
    """Keys of the host of Whisper."""
    whisper_base_url: str = "https://api.together.xyz/v1"
    """Its OpenAI-compatible API."""
    whisper_model: str = "openai/whisper-large-v3"
    """Its model."""

    upstream_models: dict[str, str] = Field(default_factory=dict)
    """A provider's new id of a model, by the one that the catalogue knows: `{"z-image": "z-image-2"}`."""

    chat_default_model: str = "google/gemini-3-flash-preview"
    """The model of a chat that names none."""
    chat_max_tokens: int = Field(default=8_192, ge=256)
    """What an answer may be long, and is reserved for, where the client does not say."""
    chat_timeout_s: float = Field(default=300, gt=0)
    """How long an answer may take."""
    embedding_default_model: str = "qwen/qwen3-embedding-8b"
    """Upstream's id of the model that embeds where a request names none."""
    model_aliases: dict[str, str] = Field(default_factory=lambda: {
        "gpt-5.5": "openai/gpt-5.5", "gpt-5.4": "openai/gpt-5.4", "gpt-5.4-mini": "openai/gpt-5.4-mini",
        "gpt-5.4-nano": "openai/gpt-5.4-nano", "gpt-5.4-vision": "openai/gpt-5.4",
        "text-embedding-3-small": "openai/text-embedding-3-small",
    })
    """Ids of language models that clients may use, and what each is upstream."""
    credits_per_usd: Decimal = Decimal(35)
    """Credits for one US dollar of a provider's list price, for models without a rate of their own."""

    credit_usd: Decimal = Field(default=Decimal("0.028571429"), gt=0)
    """What a credit is sold for, in US dollars: 1 THB, at 35 THB to the dollar. Margins are told by it."""
    kie_credit_usd: Decimal = Field(default=Decimal("0.005"), gt=0)
    """What a credit of KIE's costs, in US dollars."""
    upstream_costs: dict[str, Decimal] = Field(default_factory=dict)
    """Providers' list prices where they are not what the catalogue says, by service and rate, in KIE's credits or US
    dollars: `{"nano-banana/1K": 7.5}`."""
    least_margin: Decimal | None = Field(default=None, ge=0)
    """Services with a rate that is not this share above its cost are not sold (503): 0.1 is ten per cent, 0 refuses
    only what is sold below cost. Without it they are named, and sold."""
    purse_look_s: float = Field(default=60, gt=0)
    """How often providers are asked what is left in our accounts there."""
    kie_purse_least: Decimal = Field(default=Decimal(1_000), ge=0)
    """With less than this many of KIE's credits left under every key, or when all that waits is paid, its services are
    not sold (503)."""
    openrouter_purse_least: Decimal = Field(default=Decimal(1), ge=0)
    """With fewer US dollars than this left under every key of OpenRouter language models are not sold (503)."""
    openrouter_management_key: SecretStr | None = None
    """Lets OpenRouter tell what the account has left. Without it a key tells its own cap alone, if it has one."""

    worker_concurrency: int = Field(default=50, ge=1)
    """Steps against each provider at once, in each worker."""
    media_concurrency: int | None = Field(default=None, ge=1)
    """Local jobs at once, in each media worker; without it, one for each core."""
    lease_s: float = Field(default=10, ge=1)
    """How long a worker may be silent before another one takes its job."""
    sweep_s: float = Field(default=2, gt=0)
    """How often a worker looks for due work that nobody woke it for."""
    grace_s: float = Field(default=900, gt=0)
    """How long a job whose submit was left without an answer waits for a sign, before it is failed and refunded."""
    result_tries: int = Field(default=15, ge=1)
    """How often a finished result is fetched, at intervals that grow to a minute, before the job is failed."""

    @field_validator("metrics_token", "openrouter_management_key", mode="before")
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
