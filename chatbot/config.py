"""Every setting once: typed, defaulted, explained.

Values come from the environment and from a `.env` file beside the project. Bad ones stop the start, and
the message names all of them together, never their values.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
WEAK_SECRETS = frozenset({"secret", "changeme", "change-me", "password", "your-secure-key-here", "dev", "test"})
LOCAL_EMBEDDER = "all-MiniLM-L6-v2"
EXTRACTIVE = "extractive"

CommaList = Annotated[list[str], NoDecode]


class ConfigError(RuntimeError):
    """The settings are unusable; the message names each bad one."""


class Settings(BaseSettings):
    """The environment variables the application reads, in upper case."""

    model_config = SettingsConfigDict(
        env_file=str(ROOT / ".env"), env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    # Where things live.
    instance_path: Path = ROOT / "instance"
    models_path: Path | None = None
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    public_url: str = "http://127.0.0.1:8000"
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    flask_debug: bool = False

    # Secrets. A laptop gets its own in instance/secret_key; a host has to set one.
    secret_key: SecretStr | None = None
    jwt_secret_key: SecretStr | None = None

    # Who may call from a browser, and how many proxies stand in front.
    cors_origins: CommaList = Field(default_factory=list)
    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)

    # Identity.
    access_token_minutes: int = Field(default=24 * 60, ge=1)
    refresh_token_days: int = Field(default=7, ge=1)
    session_days: int = Field(default=90, ge=1)
    require_verified_email: bool = False
    password_iterations: int = Field(default=600_000, ge=1_000)
    ratelimit_enabled: bool = True

    # Models.
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    chat_model: str | None = None
    chat_models: CommaList = Field(default_factory=list)
    embedding_model: str | None = None
    fallback: Literal["general", "refuse"] = "general"
    history_tokens: int = Field(default=1500, ge=0)
    passages: int = Field(default=5, ge=1, le=20)
    relevance_threshold: float | None = Field(default=None, ge=0, le=1)
    model_connect_seconds: float = Field(default=5, gt=0)
    model_read_seconds: float = Field(default=60, gt=0)

    # Documents.
    max_upload_mb: int = Field(default=25, ge=1, le=1024)
    ingest_lease_seconds: int = Field(default=120, ge=5)

    # Mail. Without a server the letters are files in instance/outbox/.
    mail_server: str | None = None
    mail_port: int = Field(default=587, ge=1, le=65535)
    mail_username: str | None = None
    mail_password: SecretStr | None = None
    mail_use_tls: bool = True
    mail_default_sender: str = "chatbot@localhost"

    # Upkeep.
    retention_days: int = Field(default=30, ge=1)
    sweep_seconds: float = Field(default=10, gt=0)

    # The processes.
    web_concurrency: int = Field(default=1, ge=1)
    web_threads: int = Field(default=32, ge=4)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "console"

    @field_validator("cors_origins", "chat_models", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
                raise ValueError("each entry is an exact origin like https://app.example.com, without a path")
        return origins

    @field_validator("public_url")
    @classmethod
    def _absolute_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("must be an absolute address like https://chat.example.com")
        return url.rstrip("/")

    @field_validator("instance_path")
    @classmethod
    def _absolute_path(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @model_validator(mode="after")
    def _refuse_weak_secrets(self) -> Settings:
        if self.is_production and self.secret_key is None and not self._secret_file.exists():
            raise ValueError(
                "SECRET_KEY is missing; make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        for name in ("secret_key", "jwt_secret_key"):
            secret: SecretStr | None = getattr(self, name)
            if secret is not None and self.is_production and is_weak(secret.get_secret_value()):
                raise ValueError(f"{name.upper()} is weak; it needs at least 32 characters that nobody can guess")
        return self

    @property
    def is_production(self) -> bool:
        """A host sets PORT or DATABASE_URL; debug mode says that this is a workbench all the same."""
        return not self.flask_debug and (self.port is not None or self.database_url is not None)

    @property
    def models_folder(self) -> Path:
        """Where the local embedder keeps the graph it has built."""
        return self.models_path or self.instance_path / "models"

    @property
    def bind(self) -> str:
        """Where the web process listens: this machine only, or everywhere when a host has set PORT."""
        host = self.host or ("127.0.0.1" if self.port is None else "0.0.0.0")  # noqa: S104 - a host's router.
        return f"{host}:{self.port or 8000}"

    @property
    def _secret_file(self) -> Path:
        return self.instance_path / "secret_key"

    def secret(self) -> str:
        """The secret that signs mail tokens and cursors; on a laptop it is made once and kept in a file."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return _kept_secret(self._secret_file)

    def jwt_secret(self) -> str:
        """The secret that signs JWTs: its own setting, or one derived from the other for this purpose alone."""
        if self.jwt_secret_key is not None:
            return self.jwt_secret_key.get_secret_value()
        return hmac.new(self.secret().encode(), b"jwt", hashlib.sha256).hexdigest()

    def sqlalchemy_url(self) -> str:
        """The database's address in SQLAlchemy's words; `postgres://` is accepted as hosts write it."""
        if self.database_url is None:
            return f"sqlite:///{self.instance_path / 'chatbot.db'}"
        url = self.database_url.get_secret_value()
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                return "postgresql+psycopg://" + url.removeprefix(prefix)
        return url

    @property
    def default_chat_model(self) -> str:
        return self.chat_model or ("gpt-3.5-turbo" if self.openai_api_key else EXTRACTIVE)

    @property
    def allowed_chat_models(self) -> list[str]:
        """What a request may name: the default first, then CHAT_MODELS, each once."""
        return list(dict.fromkeys([self.default_chat_model, *self.chat_models]))

    @property
    def default_embedder(self) -> str:
        return self.embedding_model or ("text-embedding-3-small" if self.openai_api_key else LOCAL_EMBEDDER)

    @property
    def access_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_days)

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(days=self.session_days)


def is_weak(secret: str) -> bool:
    """Whether a secret is short, well known, or hardly varies."""
    return len(secret.encode()) < 32 or secret.lower() in WEAK_SECRETS or len(set(secret)) < 8


def load_settings(**overrides: Any) -> Settings:
    """Reads the settings.

    Raises:
        ConfigError: naming every setting that is missing or bad, without its value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [f"  {_name(item['loc'])}: {_reason(item['msg'])}" for item in error.errors(include_input=False)]
        raise ConfigError("These settings cannot be used:\n" + "\n".join(lines)) from None


def _name(location: tuple[int | str, ...]) -> str:
    return str(location[0]).upper() if location else "settings"


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    return path.read_text(encoding="ascii").strip()


def tiktoken_cache_folder() -> Path:
    """The folder in which tiktoken keeps its vocabularies; its own variables, read here like every other."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    return Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
