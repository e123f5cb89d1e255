"""Every setting once: typed, defaulted, explained.

Values come from the environment and from a `.env` file beside the project. Bad ones stop the start, and
the message names all of them together, never their values.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chatbot.setting_values import is_database, is_network, is_one_address, is_postgresql, is_weak

ROOT = Path(__file__).resolve().parent.parent
LOCAL_EMBEDDER = "all-MiniLM-L6-v2"
EXTRACTIVE = "extractive"
# What stands before the colon in the name of a model that is not OpenAI's, and the package that knows it.
PROVIDERS = {
    "anthropic": "langchain_anthropic", "google_genai": "langchain_google_genai", "mistralai": "langchain_mistralai",
    "google_vertexai": "langchain_google_vertexai", "bedrock": "langchain_aws", "bedrock_converse": "langchain_aws",
    "cohere": "langchain_cohere", "deepseek": "langchain_deepseek", "fireworks": "langchain_fireworks",
    "groq": "langchain_groq", "ollama": "langchain_ollama", "openrouter": "langchain_openrouter",
    "together": "langchain_together", "xai": "langchain_xai",
}  # fmt: skip
SECRET_FILE = "secret_key"  # noqa: S105 - its name.

# A name whose last part has a letter: `10.1` is neither a name nor a network.
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]*[A-Za-z][A-Za-z0-9_-]*")
CommaList = Annotated[list[str], NoDecode]


class ConfigError(SystemExit):
    """The settings are unusable. Uncaught, it ends the process with its message, which names each bad one."""


@dataclass(frozen=True)
class Secrets:
    """The secret that signs, and the one before it until it retires."""

    current: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    retire_at: datetime | None = None

    def previous_at(self, now: datetime) -> str | None:
        """The previous secret while it still counts."""
        return self.previous if self.retire_at is not None and now < self.retire_at else None


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
    bind_host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    flask_debug: bool = False

    # Secrets. A laptop gets its own in instance/secret_key; a host has to set one.
    secret_key: SecretStr | None = Field(default=None, validate_default=True)
    jwt_secret_key: SecretStr | None = None
    # Whoever reads /metrics shows it; without one only programs of a developer's own machine may.
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    # A rotation: what was signed with the previous ones counts until they retire.
    secret_key_previous: SecretStr | None = None
    jwt_secret_key_previous: SecretStr | None = None
    secrets_retire_at: AwareDatetime | None = Field(default=None, validate_default=True)

    # Who may call from a browser, and how many proxies stand in front.
    cors_origins: CommaList = Field(default_factory=list)
    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)
    # Whether /swagger/ and /openapi.json are there.
    api_docs: bool = True

    # Identity.
    access_token_minutes: int = Field(default=24 * 60, ge=1)
    refresh_token_days: int = Field(default=7, ge=1)
    session_days: int = Field(default=90, ge=1)
    max_sessions: int = Field(default=20, ge=1)
    refresh_leeway_seconds: int = Field(default=0, ge=0, le=60)
    clock_skew_seconds: int = Field(default=0, ge=0, le=60)
    require_verified_email: bool = False
    password_iterations: int = Field(default=600_000, ge=1_000)
    ratelimit_enabled: bool = True
    send_per_minute: int = Field(default=60, ge=1)
    daily_tokens: int | None = Field(default=None, ge=1)
    resume_seconds: float = Field(default=5, ge=0, le=60)

    # Models.
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    chat_model: str | None = None
    chat_models: CommaList = Field(default_factory=list)
    chat_fallbacks: CommaList = Field(default_factory=list)
    embedding_model: str | None = None
    fallback: Literal["general", "refuse"] = "general"
    history_tokens: int = Field(default=1500, ge=0)
    vector_store: Literal["faiss", "pgvector"] = "faiss"
    passages: int = Field(default=5, ge=1, le=20)
    relevance_threshold: float | None = Field(default=None, ge=0, le=1)
    model_connect_seconds: float = Field(default=5, gt=0)
    model_read_seconds: float = Field(default=60, gt=0)
    # Until a model's first token; as long as between two tokens unless it is set.
    model_first_token_seconds: float | None = Field(default=None, gt=0)
    model_answer_seconds: float = Field(default=300, gt=0)
    model_answer_tokens: int = Field(default=1024, ge=1)
    model_prices: Path | None = None
    # Whether the model words the titles of conversations, with a call for each new one.
    model_titles: bool = True
    # Whole answers for identical questions; 0 keeps none.
    answer_cache_seconds: int = Field(default=0, ge=0)
    # A provider that fails so often in a row is left alone for so long.
    breaker_failures: int = Field(default=5, ge=1)
    breaker_seconds: float = Field(default=30, gt=0)

    # Documents.
    max_upload_mb: int = Field(default=25, ge=1, le=1024)
    # How much the knowledge base may hold; no limit unless set.
    max_documents: int | None = Field(default=None, ge=1)
    max_knowledge_mb: int | None = Field(default=None, ge=1)
    originals: Literal["sql", "files"] = "sql"
    ingest_lease_seconds: int = Field(default=120, ge=5)
    # Documents by URL: the ports they may be on, and hosts or networks that are allowed although they are not public.
    fetch_ports: Annotated[list[int], NoDecode] = [80, 443]
    fetch_allow_hosts: CommaList = Field(default_factory=list)

    # Mail. Without a server the letters are files in instance/outbox/.
    mail_server: str | None = None
    mail_port: int = Field(default=587, ge=1, le=65535)
    mail_username: str | None = None
    mail_password: SecretStr | None = None
    mail_use_tls: bool = True
    mail_default_sender: str = "chatbot@localhost"

    # Upkeep.
    retention_days: int = Field(default=30, ge=1)
    audit_days: int = Field(default=365, ge=1)
    sweep_seconds: float = Field(default=10, gt=0)

    # The processes.
    web_concurrency: int = Field(default=1, ge=1)
    web_streams: int = Field(default=1000, ge=1, le=20_000)
    web_threads: int = Field(default=32, ge=4)
    # A client that reads nothing of what was sent to it for so long is closed.
    stalled_reader_seconds: int = Field(default=30, ge=1, le=3600)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "console"
    # Where an OpenTelemetry collector takes traces over HTTP; without it there are none.
    otel_exporter_otlp_endpoint: str | None = None
    otel_service_name: str = "chatbot"

    @field_validator("cors_origins", "chat_models", "chat_fallbacks", "fetch_ports", "fetch_allow_hosts", mode="before")
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

    @field_validator("chat_model", "chat_models")
    @classmethod
    def _providers_are_installed(cls, models: str | list[str] | None) -> str | list[str] | None:
        for name in models if isinstance(models, list) else [models or ""]:
            package = PROVIDERS.get(name.partition(":")[0]) if ":" in name else None
            if package is not None and find_spec(package) is None:
                raise ValueError(f"this provider needs the package {package.replace('_', '-')}, which is not installed")
        return models

    @field_validator("chat_fallbacks")
    @classmethod
    def _fallbacks_are_models(cls, names: list[str], info: ValidationInfo) -> list[str]:
        # One that is missing here was set, and bad.
        default = _default_model(info.data.get("chat_model"), info.data.get("openai_api_key"))
        if not set(names) <= {default, *info.data.get("chat_models", names), EXTRACTIVE}:
            raise ValueError("each entry is one of CHAT_MODEL and CHAT_MODELS, or extractive")
        return names

    @field_validator("fetch_ports")
    @classmethod
    def _real_ports(cls, ports: list[int]) -> list[int]:
        if not ports or not all(1 <= port <= 65535 for port in ports):
            raise ValueError("must be ports between 1 and 65535, like 80,443,8080")
        return ports

    @field_validator("fetch_allow_hosts")
    @classmethod
    def _hosts_or_networks(cls, entries: list[str]) -> list[str]:
        if not all(is_network(entry) or _HOST.fullmatch(entry) for entry in entries):
            raise ValueError("each entry is a host name like wiki.example.com, or a network like 10.1.0.0/16")
        return entries

    @field_validator("public_url")
    @classmethod
    def _absolute_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable() or " " in url:
            raise ValueError("must be an absolute address like https://chat.example.com")
        return url.rstrip("/")

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        if not url:
            return None
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise ValueError("must be an absolute address like http://127.0.0.1:4318")
        if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
            raise ValueError("needs the packages of requirements-tracing.txt, which are not installed")
        return url

    @field_validator("instance_path")
    @classmethod
    def _absolute_path(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_database(url.get_secret_value()):
            raise ValueError("must be an address like postgresql://user:password@host/name, or sqlite:///path")
        return url

    @field_validator("vector_store")
    @classmethod
    def _needs_postgresql(cls, kind: str, info: ValidationInfo) -> str:
        url = info.data.get("database_url")
        # A bad address is missing here, and named by itself.
        if kind == "pgvector" and "database_url" in info.data and not (url and is_postgresql(url.get_secret_value())):
            raise ValueError("can be pgvector only when DATABASE_URL is a PostgreSQL")
        return kind

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and urlsplit(url.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("must be an address like redis://host:6379/0")
        return url

    @field_validator("secret_key", "jwt_secret_key", "secret_key_previous", "jwt_secret_key_previous")
    @classmethod
    def _refuse_weak_secrets(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Looks at each secret by itself, so that a bad one is named together with all other bad settings."""
        # The settings above have been read before; one that is missing here was set, and bad.
        read = info.data
        if not _in_production(read.get("flask_debug", False), read.get("port", True), read.get("database_url", True)):
            return secret
        if secret is not None and is_weak(secret.get_secret_value()):
            raise ValueError("is weak; it needs at least 32 characters that nobody can guess")
        if secret is None and info.field_name == "secret_key" and not _secret_file(info.data).exists():
            raise ValueError("is missing; make one with: python -c 'import secrets; print(secrets.token_hex(32))'")
        return secret

    @field_validator("mail_default_sender")
    @classmethod
    def _one_sender(cls, sender: str) -> str:
        if not is_one_address(sender):
            raise ValueError("must be one address on one line, like Chatbot <chatbot@example.com>")
        return sender

    @field_validator("secrets_retire_at")
    @classmethod
    def _rotation_has_an_end(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        # One that is missing here was set, and bad.
        previous = [info.data.get(name, True) for name in ("secret_key_previous", "jwt_secret_key_previous")]
        if moment is None and any(previous):
            raise ValueError("must say when the previous secret retires, like 2030-01-31T12:00:00Z")
        return moment

    @property
    def is_production(self) -> bool:
        """A host sets PORT or DATABASE_URL; debug mode says that this is a workbench all the same."""
        return _in_production(self.flask_debug, self.port, self.database_url)

    @property
    def models_folder(self) -> Path:
        """Where the local embedder keeps the graph it has built."""
        return self.models_path or self.instance_path / "models"

    @property
    def bind(self) -> str:
        """Where the web process listens: this machine only, or everywhere when a host has set PORT."""
        host = self.bind_host or ("127.0.0.1" if self.port is None else "0.0.0.0")  # noqa: S104 - a host's router.
        return f"{host}:{self.port or 8000}"

    def secret(self) -> str:
        """The secret that signs mail tokens and cursors; on a laptop it is made once and kept in a file."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return _kept_secret(self.instance_path / SECRET_FILE)

    def mail_secrets(self) -> Secrets:
        """What signs the links in letters."""
        return Secrets(self.secret(), _revealed(self.secret_key_previous), self.secrets_retire_at)

    def jwt_secrets(self) -> Secrets:
        """What signs JWTs: a setting of its own, or derived from the other secret for this purpose alone."""
        previous = _revealed(self.jwt_secret_key_previous)
        if self.jwt_secret_key is not None:
            return Secrets(self.jwt_secret_key.get_secret_value(), previous, self.secrets_retire_at)
        if previous is None and self.secret_key_previous is not None:
            previous = _for_jwt(self.secret_key_previous.get_secret_value())
        return Secrets(_for_jwt(self.secret()), previous, self.secrets_retire_at)

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
        return _default_model(self.chat_model, self.openai_api_key)

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


def _default_model(named: str | None, key: SecretStr | None) -> str:
    return named or ("gpt-3.5-turbo" if key else EXTRACTIVE)


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _for_jwt(secret: str) -> str:
    return hmac.new(secret.encode(), b"jwt", hashlib.sha256).hexdigest()


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


def _in_production(flask_debug: Any, port: Any, database_url: Any) -> bool:
    return not flask_debug and (port is not None or database_url is not None)


def _secret_file(data: dict[str, Any]) -> Path:
    return Path(data.get("instance_path", "")) / SECRET_FILE


def _kept_secret(path: Path) -> str:
    """The secret in a file, made by whichever process comes first; a link appears whole or not at all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        Path(made).unlink()
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if is_weak(secret):
        reason = f"the file {SECRET_FILE} in INSTANCE_PATH is damaged; put a copy back, or delete it and sign in again"
        raise ConfigError(f"These settings cannot be used:\n  SECRET_KEY: {reason}")
    return secret


def tiktoken_cache_folder() -> Path | None:
    """The folder in which tiktoken keeps its vocabularies, None where its variable is set to nothing: no cache.

    Its own variables, read here like every other.
    """
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        return Path(tempfile.gettempdir()) / "data-gym-cache"
    return Path(folder) if folder else None
