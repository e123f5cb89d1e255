"""Settings: read once, and refused by name, all together."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime

import pytest

from chatbot.app import create_app
from chatbot.config import ConfigError, Settings, load_settings, tiktoken_cache_folder
from chatbot.config.environment import renamed
from chatbot.config.signing_secrets import Secrets
from chatbot.config.validators import is_weak
from chatbot.core import create_core

GOOD = "s3cret-" + "x1y2z3" * 8
DATABASE = "postgresql://bot:canary@db.example.com/chat"
RETIRES = "2030-01-31T12:00:00Z"
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


def load(tmp_path, **values) -> Settings:
    return load_settings(_env_file=None, **({"instance_path": tmp_path} | values))


def refusal(tmp_path, **values) -> str:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, **values)
    return str(refused.value)


def test_no_setting_at_all_is_enough(tmp_path):
    """N14"""
    settings = load(tmp_path)
    assert settings.sqlalchemy_url() == f"sqlite:///{tmp_path / 'chatbot.db'}"
    assert (settings.default_chat_model, settings.default_embedder) == ("extractive", "all-MiniLM-L6-v2")
    assert (settings.bind, settings.is_production) == ("127.0.0.1:8000", False)
    assert settings.models_folder == tmp_path / "models"


def test_values_come_from_the_environment_and_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAT_MODEL", "gpt-4o")
    (tmp_path / ".env").write_text("NO_CONTEXT_BEHAVIOR=refuse\nCHAT_MODEL=other\nREDIS_URL=\n")
    settings = load_settings(_env_file=tmp_path / ".env", instance_path=tmp_path)
    assert (settings.chat_model, settings.no_context_behavior, settings.redis_url) == ("gpt-4o", "refuse", None)


BAD = {
    "port": 70_000,
    "no_context_behavior": "maybe",
    "max_upload_mb": 0,
    "mail_port": "x",
    "public_url": "chat.example.com",
    "log_level": "LOUD",
    "cors_origins": "https://a.example/path",
    "redis_url": "http://canary",
    "database_url": "mysql://u:canary@h/d",
    "secret_key": "canary",
    "jwt_secret_key": "canary",
    "retrieval_top_k": 100,
    "ratelimit_enabled": "perhaps",
    "secret_key_previous": "canary",
    "jwt_secret_key_previous": "canary",
    "secrets_retire_at": "canary",
    "max_sessions": 0,
    "refresh_leeway_seconds": 61,
    "clock_skew_seconds": 61,
}


def test_all_bad_settings_are_named_at_once_without_their_values(tmp_path):
    """P11"""
    message = refusal(tmp_path, **BAD)
    assert {line.split(":")[0].strip() for line in message.splitlines()[1:]} == {name.upper() for name in BAD}
    assert "canary" not in message


@pytest.mark.parametrize("url", ["nonsense", "postgres://u:canary@h:port/d", "mysql://h/d", "sqlite", "http://x"])
def test_an_address_that_is_no_database_is_refused(tmp_path, url):
    """P11"""
    message = refusal(tmp_path, database_url=url, secret_key=GOOD)
    assert "DATABASE_URL" in message
    assert "canary" not in message


@pytest.mark.parametrize(
    "secret",
    [
        "secret",
        "changeme",
        "x" * 31,
        "a" * 64,
        "changeme" * 8,
        "12" * 40,
        "your-secure-key-here-your-secure-key-here",
        "changeme-changeme-changeme-changeme-12",
        "Secret Password 1234567890 Secret!",
    ],
)
@pytest.mark.parametrize("name", ["secret_key", "jwt_secret_key", "secret_key_previous", "jwt_secret_key_previous"])
def test_production_refuses_a_weak_secret(tmp_path, name, secret):
    """D9: naming the setting, not the value; one that only counts a little longer as well."""
    others = {"database_url": DATABASE, "secret_key": GOOD, "secrets_retire_at": RETIRES}
    message = refusal(tmp_path, **(others | {name: secret}))
    assert f"{name.upper()}: is weak" in message
    assert (
        secret not in message.replace(name.upper(), "").replace("SECRET", "").replace("secret", "")
        or secret == "secret"
    )


@pytest.mark.parametrize("host", [{"port": 8080}, {"database_url": DATABASE}])
def test_production_refuses_to_start_without_a_secret(tmp_path, host):
    """D9"""
    assert "SECRET_KEY: is missing" in refusal(tmp_path, **host)
    assert load(tmp_path, **host, secret_key=GOOD).is_production
    assert not load(tmp_path, **host, flask_debug=True).is_production


def test_a_secret_that_was_kept_counts(tmp_path):
    load(tmp_path).secret()
    assert load(tmp_path, port=8080).is_production


@pytest.mark.parametrize("kept", ["", "\n", "changeme", "\xff" * 40])
def test_a_damaged_secret_stops_the_start(tmp_path, kept):
    """D9: an empty one would let anybody sign links and tokens."""
    (tmp_path / "secret_key").write_text(kept, encoding="latin-1")
    for settings in (load(tmp_path), load(tmp_path, port=8080)):
        with pytest.raises(ConfigError, match="SECRET_KEY: the file secret_key in INSTANCE_PATH is damaged"):
            settings.secret()


def test_a_laptop_makes_its_own_secret_once(tmp_path):
    first, second = load(tmp_path / "new").secret(), load(tmp_path / "new").secret()
    file = tmp_path / "new" / "secret_key"
    assert first == second == file.read_text()
    assert not is_weak(first)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret_key"]


def test_processes_that_start_at_once_share_one_secret(tmp_path):
    found, start = [], threading.Barrier(8)
    settings = load(tmp_path)

    def run():
        start.wait()
        found.append(settings.secret())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(set(found)), len(found[0])) == (1, 64)


def test_the_two_secrets_are_never_the_same(tmp_path):
    """C5"""
    derived = load(tmp_path, secret_key=GOOD)
    assert derived.jwt_secrets().current != derived.secret() == GOOD
    assert load(tmp_path, secret_key=GOOD, jwt_secret_key="own" + GOOD).jwt_secrets().current == "own" + GOOD


@pytest.mark.parametrize("name", ["secret_key_previous", "jwt_secret_key_previous"])
@pytest.mark.parametrize("where", [{}, {"database_url": DATABASE}], ids=["laptop", "host"])
def test_a_previous_secret_has_to_say_when_it_retires(tmp_path, where, name):
    """D8 P11: or it would count for ever; both mistakes are named at once."""
    rotated = where | {"secret_key": GOOD, name: "old" + GOOD}
    assert "SECRETS_RETIRE_AT: must say when the previous secret retires" in refusal(tmp_path, **rotated)
    assert load(tmp_path, **rotated, secrets_retire_at=RETIRES).secrets_retire_at == NOON
    if where:
        message = refusal(tmp_path, **(rotated | {name: "canary"}))
        assert (f"{name.upper()}: is weak" in message, "SECRETS_RETIRE_AT: must say" in message) == (True, True)
        assert "canary" not in message


@pytest.mark.parametrize("moment", ["2030-01-31T12:00:00", "2030-01-31", "tomorrow", "2030-02-31T12:00:00Z", "-"])
def test_a_moment_without_a_zone_is_none(tmp_path, moment):
    """D8 G17"""
    message = refusal(tmp_path, secret_key_previous="old" + GOOD, secrets_retire_at=moment)
    assert message.count("SECRETS_RETIRE_AT") == 1
    assert moment not in message or moment == "-"


@pytest.mark.parametrize("moment", [RETIRES, "2030-01-31T14:00:00+02:00", "2030-01-31 12:00:00Z"])
def test_the_moment_comes_from_the_environment(monkeypatch, tmp_path, moment):
    """D8"""
    monkeypatch.setenv("SECRETS_RETIRE_AT", moment)
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", "old" + GOOD)
    monkeypatch.setenv("JWT_SECRET_KEY_PREVIOUS", "")
    settings = load(tmp_path, secret_key=GOOD)
    assert (settings.secrets_retire_at, settings.jwt_secret_key_previous) == (NOON, None)
    assert settings.mail_secrets() == Secrets(GOOD, "old" + GOOD, NOON)


def test_a_rotation_of_the_one_secret_changes_the_derived_one_with_it(tmp_path):
    """D8 C5"""
    before = load(tmp_path, secret_key="old" + GOOD).jwt_secrets()
    after = load(tmp_path, secret_key=GOOD, secret_key_previous="old" + GOOD, secrets_retire_at=RETIRES).jwt_secrets()
    assert (after.previous, after.retire_at) == (before.current, NOON)
    assert after.current not in {before.current, GOOD, "old" + GOOD}


@pytest.mark.parametrize("current", [{}, {"jwt_secret_key": "new" + GOOD}], ids=["to derived", "to own"])
def test_a_jwt_secret_of_its_own_is_rotated_by_itself(tmp_path, current):
    """D8: what is said of it goes before what would be derived."""
    rotated = {"jwt_secret_key_previous": "own" + GOOD, "secret_key_previous": "old" + GOOD}
    settings = load(tmp_path, secret_key=GOOD, **rotated, **current, secrets_retire_at=RETIRES)
    assert settings.jwt_secrets().previous == "own" + GOOD
    assert settings.mail_secrets().previous == "old" + GOOD


def test_nothing_is_rotated_where_nothing_is_said(tmp_path):
    """D8: an end without a previous secret means nothing."""
    for settings in (load(tmp_path, secret_key=GOOD), load(tmp_path, secret_key=GOOD, secrets_retire_at=RETIRES)):
        assert (settings.jwt_secrets().previous, settings.mail_secrets().previous) == (None, None)
    own = load(tmp_path, jwt_secret_key=GOOD, secret_key_previous="old" + GOOD, secrets_retire_at=RETIRES)
    assert (own.jwt_secrets().previous, own.mail_secrets().previous) == (None, "old" + GOOD)


@pytest.mark.parametrize(
    ("name", "default", "good", "bad"),
    [
        ("max_sessions", 20, [1, 10_000], [0, -1, "many", 1.5]),
        ("refresh_leeway_seconds", 0, [0, 1, 60], [-1, 61, "1s", 0.5]),
        ("clock_skew_seconds", 0, [0, 1, 60], [-1, 61, "", None]),
    ],
)
def test_how_sessions_live_is_bounded(tmp_path, name, default, good, bad):
    """E4 E13 D12"""
    assert getattr(load(tmp_path), name) == default
    assert [getattr(load(tmp_path, **{name: value}), name) for value in good] == good
    assert all(name.upper() in refusal(tmp_path, **{name: value}) for value in bad)


@pytest.mark.parametrize("prefix", ["postgres://", "postgresql://", "postgresql+psycopg://"])
def test_a_hosts_way_of_writing_the_database_is_read(tmp_path, prefix):
    settings = load(tmp_path, database_url=f"{prefix}u:p@h/d", secret_key=GOOD)
    assert settings.sqlalchemy_url() == "postgresql+psycopg://u:p@h/d"


def test_another_sqlite_file_may_be_named(tmp_path):
    assert load(tmp_path, database_url="sqlite:////x.db", secret_key=GOOD).sqlalchemy_url() == "sqlite:////x.db"


def test_secrets_are_not_in_the_text_of_the_settings(tmp_path):
    """P1"""
    names = ("secret_key", "jwt_secret_key", "openai_api_key", "mail_password")
    names += ("secret_key_previous", "jwt_secret_key_previous")
    given = dict.fromkeys(names, "canary") | {"secrets_retire_at": RETIRES}
    settings = load(tmp_path, **given, redis_url="redis://:canary@h/0")
    assert "canary" not in repr(settings) + str(settings) + repr(settings.mail_secrets()) + repr(settings.jwt_secrets())


@pytest.mark.parametrize(
    ("given", "origins"),
    [("", []), ("https://a.example, http://b.example:3000 ,", ["https://a.example", "http://b.example:3000"])],
)
def test_lists_are_separated_by_commas(tmp_path, given, origins):
    assert load(tmp_path, cors_origins=given).cors_origins == origins


@pytest.mark.parametrize(
    "origin", ["*", "null", "a.example", "https://a.example/", "ftp://a.example", "https://a.example?x"]
)
def test_an_origin_is_exact(tmp_path, origin):
    """P5"""
    assert "CORS_ORIGINS" in refusal(tmp_path, cors_origins=origin)


def test_with_a_key_the_models_of_openai_are_the_default(tmp_path):
    settings = load(tmp_path, openai_api_key="k", chat_models="gpt-4o,gpt-3.5-turbo")
    assert settings.allowed_chat_models == ["gpt-3.5-turbo", "gpt-4o"]
    assert settings.default_embedder == "text-embedding-3-small"


def test_a_host_is_listened_to_everywhere(tmp_path):
    assert load(tmp_path, port=5000, secret_key=GOOD).bind == "0.0.0.0:5000"
    assert load(tmp_path, bind_host="10.0.0.1").bind == "10.0.0.1:8000"


def test_where_tiktoken_keeps_its_vocabularies(monkeypatch, tmp_path):
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    assert tiktoken_cache_folder().name == "data-gym-cache"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert tiktoken_cache_folder() == tmp_path
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert tiktoken_cache_folder() is None


def test_the_application_starts_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("INSTANCE_PATH", str(tmp_path / "here"))
    app = create_app()
    assert app.instance_path == str(tmp_path / "here")


def test_the_application_does_not_start_from_bad_settings(monkeypatch):
    """P11"""
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(ConfigError, match="PORT"):
        create_app()


def test_answers_never_contain_nan(sqlite_app):
    """G4"""
    with pytest.raises(ValueError, match="JSON compliant"):
        sqlite_app.json.dumps({"score": float("nan")})


def test_pgvector_needs_a_postgresql(tmp_path):
    with pytest.raises(ConfigError, match="VECTOR_STORE: can be pgvector only when DATABASE_URL is a PostgreSQL"):
        load_settings(_env_file=None, instance_path=tmp_path, vector_store="pgvector")


# Old names ------------------------------------------------------------------------------------------------------------

OLD = {
    "PASSAGES": ("7", "retrieval_top_k", 7),
    "AUDIT_DAYS": ("9", "audit_log_retention_days", 9),
    "SEND_PER_MINUTE": ("3", "chat_rate_limit_per_minute", 3),
    "FALLBACK": ("refuse", "no_context_behavior", "refuse"),
    "ORIGINALS": ("files", "file_storage", "disk"),
}


@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_setting_with_old_name_is_read(monkeypatch, tmp_path, old, place):
    value, field, expected = OLD[old]
    file = tmp_path / ".env"
    file.write_text(f"{old}={value}\n" if place == "file" else "")
    if place == "environment":
        monkeypatch.setenv(old, value)
    settings = load_settings(_env_file=file, instance_path=tmp_path)
    assert getattr(settings, field) == expected
    assert renamed(file) == {old: field.upper()}


def test_old_name_that_is_set_to_nothing_gets_no_warning(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("PASSAGES=\n")
    monkeypatch.setenv("AUDIT_DAYS", "")
    assert renamed(tmp_path / ".env") == {}


def test_current_name_wins_over_old_name(monkeypatch, tmp_path):
    monkeypatch.setenv("PASSAGES", "7")
    monkeypatch.setenv("RETRIEVAL_TOP_K", "8")
    assert load(tmp_path).retrieval_top_k == 8


def test_bad_value_under_old_name_is_refused_under_current_name(monkeypatch, tmp_path):
    monkeypatch.setenv("PASSAGES", "100")
    with pytest.raises(ConfigError, match="RETRIEVAL_TOP_K: "):
        load(tmp_path)


def test_start_warns_about_old_names(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PASSAGES", "7")
    create_core(load(tmp_path, log_format="json"))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "deprecated_setting" in line]
    assert json.loads(line).items() >= {"level": "warning", "name": "PASSAGES", "use": "RETRIEVAL_TOP_K"}.items()
