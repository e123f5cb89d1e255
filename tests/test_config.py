"""Settings: read once, and refused by name, all together."""

from __future__ import annotations

import stat
import threading

import pytest

from chatbot.app import create_app
from chatbot.config import ConfigError, Settings, is_weak, load_settings, tiktoken_cache_folder

GOOD = "s3cret-" + "x1y2z3" * 8
DATABASE = "postgresql://bot:canary@db.example.com/chat"


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
    (tmp_path / ".env").write_text("FALLBACK=refuse\nCHAT_MODEL=other\nREDIS_URL=\n")
    settings = load_settings(_env_file=tmp_path / ".env", instance_path=tmp_path)
    assert (settings.chat_model, settings.fallback, settings.redis_url) == ("gpt-4o", "refuse", None)


BAD = {
    "port": 70_000, "fallback": "maybe", "max_upload_mb": 0, "mail_port": "x", "public_url": "chat.example.com",
    "log_level": "LOUD",
    "cors_origins": "https://a.example/path", "redis_url": "http://canary", "database_url": "mysql://u:canary@h/d",
    "secret_key": "canary", "jwt_secret_key": "canary", "passages": 100, "ratelimit_enabled": "perhaps",
}  # fmt: skip


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


@pytest.mark.parametrize("secret", ["secret", "changeme", "x" * 31, "a" * 64, "changeme" * 8, "12" * 40])
@pytest.mark.parametrize("name", ["secret_key", "jwt_secret_key"])
def test_production_refuses_a_weak_secret(tmp_path, name, secret):
    """D9: naming the setting, not the value."""
    message = refusal(tmp_path, **({"database_url": DATABASE, "secret_key": GOOD} | {name: secret}))
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
    assert derived.jwt_secret() != derived.secret() == GOOD
    assert load(tmp_path, secret_key=GOOD, jwt_secret_key="own" + GOOD).jwt_secret() == "own" + GOOD


@pytest.mark.parametrize("prefix", ["postgres://", "postgresql://", "postgresql+psycopg://"])
def test_a_hosts_way_of_writing_the_database_is_read(tmp_path, prefix):
    settings = load(tmp_path, database_url=f"{prefix}u:p@h/d", secret_key=GOOD)
    assert settings.sqlalchemy_url() == "postgresql+psycopg://u:p@h/d"


def test_another_sqlite_file_may_be_named(tmp_path):
    assert load(tmp_path, database_url="sqlite:////x.db", secret_key=GOOD).sqlalchemy_url() == "sqlite:////x.db"


def test_secrets_are_not_in_the_text_of_the_settings(tmp_path):
    """P1"""
    names = ("secret_key", "jwt_secret_key", "openai_api_key", "mail_password")
    settings = load(tmp_path, **dict.fromkeys(names, "canary"), redis_url="redis://:canary@h/0")
    assert "canary" not in repr(settings) + str(settings)


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
