"""Documents by URL: from an address in a request to chunks that answer, and once more when the page has changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from ipaddress import ip_network

import pytest
from sqlalchemy import select, update

from chatbot.db import begin_write, utcnow
from chatbot.egress import Limits
from chatbot.knowledge.documents import urls
from chatbot.knowledge.documents.urls import NewUrl, NothingToRetry
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Document, DocumentVersion
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import ingest_now, visible
from tests.knowledge.parsing.makers import make_pdf
from tests.knowledge.test_routes import DOCUMENTS, KEYS, NOBODY, pointers
from tests.web_server import WebServer, serving

PAGE = f"<html><head><title>Opening hours</title></head><body><p>{HOURS}</p></body></html>"
CHANGED = f"<html><head><title>Returning</title></head><body><p>{RETURNS}</p></body></html>"


@pytest.fixture
def server():
    with serving() as server:
        server.page("/hours", PAGE)
        yield server


@pytest.fixture
def reached(app, server: WebServer) -> WebServer:
    """The server, which the application's operator has allowed by its network."""
    limits = app.extensions["fetch_limits"]
    app.extensions["fetch_limits"] = replace(
        limits, ports=frozenset({server.port}), allowed_networks=(ip_network("127.0.0.1"),)
    )
    return server


def test_a_url_is_tried_without_storing_anything(app, client, root, reached):
    answer = client.post(f"{DOCUMENTS}?dry_run=1", json={"url": reached.url("/hours")}, headers=root.headers)

    assert (answer.status_code, answer.json["title"], answer.json["media_type"]) == (200, "Opening hours", "text/html")
    assert (answer.json["chunk_count"], answer.json["exact_duplicate"]) == (1, None)
    gone = client.post(f"{DOCUMENTS}?dry_run=1", json={"url": reached.url("/gone")}, headers=root.headers)
    assert (gone.status_code, gone.json["code"]) == (422, "fetch_failed")
    assert client.get(DOCUMENTS, headers=root.headers).json["items"] == []


def resolving(app, *answers: list[str]) -> None:
    """From now on names lead to these addresses, one answer after another."""
    rest = iter(answers)
    app.extensions["fetch_limits"] = replace(app.extensions["fetch_limits"], resolve=lambda _: next(rest))


def add(app, url: str, **fields) -> str:
    with app.extensions["sessions"]() as session:
        return urls.add_url(session, NewUrl(url, **fields))[0].id


def ready(app, url: str, **fields) -> str:
    id_ = add(app, url, **fields)
    assert ingest_now(app, id_) == "ready"
    return id_


def document(app, id_: str) -> Document:
    with app.extensions["sessions"]() as session:
        return session.get_one(Document, id_)


def versions(app, id_: str) -> list[tuple[int, str, int]]:
    """(version, name, bytes) of what is stored."""
    query = select(DocumentVersion.version, DocumentVersion.filename, DocumentVersion.size_bytes)
    with app.extensions["sessions"]() as session:
        rows = session.execute(query.where(DocumentVersion.document_id == id_).order_by(DocumentVersion.version))
        return [tuple(row) for row in rows]


def retry(app, id_: str) -> Document:
    with app.extensions["sessions"]() as session:
        return urls.retry(session, id_)


def due_now(app, id_: str) -> None:
    """The wait is over."""
    with app.extensions["sessions"]() as session:
        begin_write(session)
        session.execute(update(Document).where(Document.id == id_).values(next_attempt_at=utcnow()))
        session.commit()


def post(client, person, url: object, wait=0, **fields):
    return client.post(f"{DOCUMENTS}?wait={wait}", json={"url": url} | fields, headers=person.headers)


# In a request


def test_a_url_is_queued_at_once_and_the_worker_fetches_it(app, client, root, reached, embedder):
    url = reached.url("/hours")
    answer = post(client, root, url + "#part", document_type="FAQ", metadata={"team": "support"})

    assert answer.status_code == 202
    body = answer.json
    assert set(body) == KEYS
    assert (body["status"], body["url"], body["source"], body["title"]) == ("queued", url, url, url)
    assert (body["content_hash"], body["size_bytes"], body["document_type"]) == ("", 0, "FAQ")
    assert reached.connections == 0

    assert ingest_now(app, body["id"]) == "ready"

    after = client.get(f"{DOCUMENTS}{body['id']}/", headers=root.headers).json
    assert (after["status"], after["title"], after["url"], after["source"]) == ("ready", "Opening hours", url, url)
    assert (after["size_bytes"], len(after["content_hash"]), after["version"]) == (len(PAGE), 64, 1)
    assert after["metadata"] == {"team": "support"}
    assert [chunk.text for chunk in visible(app)] == [HOURS]


def test_a_url_that_is_waited_for_is_ready(client, root, reached, worker):
    answer = post(client, root, reached.url("/hours"), wait=20, title="My own title")
    assert (answer.status_code, answer.json["status"], answer.json["title"]) == (201, "ready", "My own title")


def test_the_same_url_in_a_collection_is_the_same_document(client, root, reached):
    url = reached.url("/hours")
    first = post(client, root, url)
    for form in (url, url + "#elsewhere", f" HTTP://127.0.0.1.:{reached.port}/hours "):
        again = post(client, root, form, title="Another")
        assert (again.status_code, again.json["id"]) == (200, first.json["id"])
    other = post(client, root, url, collection="other")
    assert (other.status_code, other.json["id"] == first.json["id"]) == (202, False)


def test_a_url_sent_twice_at_the_same_time_is_one_document(app, reached):
    url = reached.url("/hours")
    add(app, url + "?first")
    barrier = threading.Barrier(4)
    ids: list[str] = []

    def send() -> None:
        barrier.wait()
        ids.append(add(app, url))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(ids), len(set(ids))) == (4, 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://127.1/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://good@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://93.184.216.34:6379/",
        "x",
        " ",
        "http://a\nb/",
    ],
)
def test_a_url_that_may_not_be_fetched_is_refused_in_the_request(client, root, url):
    """I1, I2, I3"""
    answer = post(client, root, url)
    assert (pointers(answer), answer.json["code"]) == (["/url"], "url_not_allowed")
    assert url.strip() not in answer.json["detail"] or len(url) < 3


@pytest.mark.parametrize("answers", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"]], ids=" ".join)
def test_a_name_that_leads_inside_is_refused_in_the_request(app, client, root, answers):
    """I1, I5"""
    resolving(app, answers)
    answer = post(client, root, "https://docs.example.com/")
    assert (answer.status_code, answer.json["code"]) == (422, "url_not_allowed")
    assert client.get(DOCUMENTS, headers=root.headers).json["items"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": 7}, "/url"),
        ({"url": None}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": "a" * 2001}, "/url"),
        ({"url": ["http://example.com/"]}, "/url"),
        ({"url": "http://93.184.216.34/", "content": "x"}, "/content"),
        ({"url": "http://93.184.216.34/", "source": "x"}, "/source"),
        ({"url": "http://93.184.216.34/", "x": 1}, "/x"),
        ({"url": "http://93.184.216.34/", "title": ""}, "/title"),
        ({"url": "http://93.184.216.34/", "collection": " "}, "/collection"),
    ],
)
def test_a_url_stands_alone_and_is_text(client, root, body, pointer):
    """G9"""
    assert pointers(client.post(DOCUMENTS, json=body, headers=root.headers)) == [pointer]


def test_only_administrators_add_urls_and_try_again(client, ada, reached):
    """F2"""
    assert post(client, ada, reached.url("/hours")).status_code == 403
    assert client.post(f"{DOCUMENTS}{NOBODY}/retry/", headers=ada.headers).status_code == 403
    assert reached.connections == 0


# What comes


def test_a_name_that_leads_inside_by_the_time_it_is_fetched_fails_for_good(app, client, root, server):
    """I5, I6"""
    limits = replace(app.extensions["fetch_limits"], ports=frozenset({server.port}))
    app.extensions["fetch_limits"] = limits
    resolving(app, ["93.184.216.34"], ["127.0.0.1"])
    id_ = post(client, root, server.url("/hours", host="docs.example.com")).json["id"]

    assert ingest_now(app, id_) == "failed"

    error = client.get(f"{DOCUMENTS}{id_}/", headers=root.headers).json["error"]
    assert error["code"] == "url_not_allowed"
    assert server.connections == 0


def test_a_redirect_that_leads_inside_fails_for_good(app, reached):
    """I4"""
    reached.redirect("/", "http://169.254.169.254/latest/meta-data/")
    id_ = add(app, reached.url("/"))
    assert ingest_now(app, id_) == "failed"
    assert document(app, id_).error_code == "url_not_allowed"


def test_a_page_that_is_not_there_fails_for_good_and_says_so(app, reached):
    id_ = add(app, reached.url("/nothing"))
    assert ingest_now(app, id_) == "failed"
    failed = document(app, id_)
    assert (failed.error_code, failed.error_detail) == ("fetch_failed", "The server answered 404.")
    assert versions(app, id_) == [(1, "", 0)]


def test_a_server_that_is_away_is_asked_again_later_and_not_for_ever(app, reached, embedder):
    """L11: like an embedder that is away, but bounded."""
    reached.page("/", "sorry", status=503)
    id_ = add(app, reached.url("/"))
    for attempt in range(1, ingest.MAX_ATTEMPTS):
        before = utcnow()
        assert ingest_now(app, id_) == "queued"
        waiting = document(app, id_)
        assert (waiting.attempts, waiting.blocked_because) == (attempt, "The server answered 503.")
        assert waiting.next_attempt_at - before >= ingest.WAIT * 2 ** (attempt - 1)
        assert ingest_now(app, id_) is None, "it is not its time yet"
        due_now(app, id_)
    assert ingest_now(app, id_) == "failed"
    assert (document(app, id_).error_code, len(reached.requests)) == ("fetch_failed", ingest.MAX_ATTEMPTS)

    reached.page("/", PAGE)
    assert retry(app, id_).status == "queued"
    assert ingest_now(app, id_) == "ready"


def test_attempts_at_fetching_do_not_count_against_reading(app, reached, embedder):
    reached.page("/", "sorry", status=503)
    id_ = add(app, reached.url("/"))
    for _ in range(3):
        ingest_now(app, id_)
        due_now(app, id_)
    reached.page("/", PAGE)
    assert ingest_now(app, id_) == "ready"
    assert document(app, id_).attempts == 1


def test_no_transaction_is_open_while_a_page_is_fetched(app, reached, embedder):
    """M2: another writer gets through."""
    seen = []

    def write(file) -> None:
        with app.extensions["sessions"]() as session:
            begin_write(session)
            session.execute(update(Document).values(document_type="seen"))
            session.commit()
            seen.append(True)
        file.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE.encode())

    reached.script("/", write)
    id_ = ready(app, reached.url("/"))
    assert (seen, document(app, id_).document_type) == ([True], "seen")


def test_a_document_that_is_deleted_while_it_is_fetched_stays_deleted(app, reached, embedder):
    """M9"""
    from chatbot.knowledge.documents.service import delete_document

    def write(file) -> None:
        with app.extensions["sessions"]() as session:
            delete_document(session, id_)
        file.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE.encode())

    reached.script("/", write)
    id_ = add(app, reached.url("/"))
    assert ingest_now(app, id_) is None
    gone = document(app, id_)
    assert (gone.status, gone.url, gone.source, gone.content_hash) == ("deleted", None, "", "")
    assert visible(app) == []
    assert add(app, reached.url("/")) != id_


def test_a_page_that_cannot_be_read_leaves_nothing_and_is_fetched_anew(app, reached, embedder):
    """H8"""
    reached.page("/", "<html><body></body></html>")
    id_ = add(app, reached.url("/"))
    assert ingest_now(app, id_) == "failed"
    assert (document(app, id_).error_code, versions(app, id_)) == ("no_text", [(1, "", 0)])
    reached.page("/", PAGE)
    retry(app, id_)
    assert ingest_now(app, id_) == "ready"
    assert [chunk.text for chunk in visible(app)] == [HOURS]


def test_a_page_is_fetched_only_once_although_embedding_has_to_wait(app, reached, embedder):
    from chatbot.rag.errors import EmbedderUnavailable

    embedder.error = EmbedderUnavailable()
    id_ = add(app, reached.url("/hours"))
    assert ingest_now(app, id_) == "queued"
    embedder.error = None
    due_now(app, id_)
    assert ingest_now(app, id_) == "ready"
    assert len(reached.requests) == 1


@pytest.mark.parametrize(
    ("path", "media_type", "body", "kind", "name"),
    [
        ("/index.php?id=1", "text/html; charset=utf-8", PAGE, "text/html", "index.html"),
        ("/docs/v1.2", "text/html", PAGE, "text/html", "v1.html"),
        ("/", "application/xhtml+xml", PAGE, "text/html", ""),
        ("/README.md", "text/plain", f"# Hours\n\n{HOURS}", "text/markdown", "README.md"),
        ("/README.md", "text/html", PAGE, "text/html", "README.html"),
        ("/notes", "text/plain", HOURS, "text/plain", "notes"),
        ("/get?id=7", "application/pdf", make_pdf(HOURS), "application/pdf", "get.pdf"),
        ("/scan.pdf", "application/octet-stream", make_pdf(HOURS), "application/pdf", "scan.pdf"),
        ("/scan.pdf", "", make_pdf(HOURS), "application/pdf", "scan.pdf"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "body",
)
def test_what_it_is_the_server_says_before_the_url_does(app, reached, embedder, path, media_type, body, kind, name):
    """H2"""
    reached.page(path, body, media_type=media_type)
    id_ = ready(app, reached.url(path))
    with app.extensions["sessions"]() as session:
        version = session.scalars(select(DocumentVersion).where(DocumentVersion.document_id == id_)).one()
        data = body if isinstance(body, bytes) else body.encode()
        assert (version.media_type, version.filename, version.content) == (kind, name, data)


def test_a_picture_is_refused_and_a_program_that_calls_itself_html_too(app, reached):
    """I7, H2"""
    reached.page("/a.png", b"\x89PNG\r\n", media_type="image/png")
    reached.page("/b", b"\x7fELF" + bytes(100), media_type="text/html")
    for path, code in (("/a.png", "fetch_failed"), ("/b", "unsupported")):
        id_ = add(app, reached.url(path))
        assert ingest_now(app, id_) == "failed"
        assert document(app, id_).error_code == code


def test_a_page_larger_than_an_upload_may_be_is_refused(app, reached):
    """I7"""
    app.extensions["fetch_limits"] = replace(app.extensions["fetch_limits"], max_bytes=1000)
    reached.page("/", HOURS * 100, media_type="text/plain")
    id_ = add(app, reached.url("/"))
    assert ingest_now(app, id_) == "failed"
    assert document(app, id_).error_code == "fetch_failed"


def test_where_redirects_ended_is_kept_beside_the_address_that_was_given(app, reached, embedder):
    reached.redirect("/old", "/hours")
    id_ = ready(app, reached.url("/old"), extra={"team": "support"})
    found = document(app, id_)
    assert (found.url, found.source) == (reached.url("/old"), reached.url("/old"))
    assert found.extra == {"team": "support", "final_url": reached.url("/hours")}
    reached.page("/old", CHANGED)
    retry(app, id_)
    ingest_now(app, id_)
    assert document(app, id_).extra == {"team": "support"}


@pytest.mark.parametrize(("body", "title"), [(PAGE, "Opening hours"), (f"<html><p>{HOURS}</p></html>", None)])
def test_a_title_is_the_given_one_or_the_pages_or_the_url(app, reached, embedder, body, title):
    reached.page("/", body)
    url = reached.url("/")
    id_ = ready(app, url)
    assert document(app, id_).title == (title or url)
    assert embedder.texts[-1].startswith(f"{title}\n" if title else "http")
    assert document(app, ready(app, url, collection="b", title="Mine")).title == "Mine"


# Again


def test_a_changed_page_becomes_a_new_version_and_the_old_one_answers_meanwhile(app, client, root, reached, embedder):
    """J3"""
    id_ = ready(app, reached.url("/hours"))
    reached.page("/hours", CHANGED)

    answer = client.post(f"{DOCUMENTS}{id_}/retry/", headers=root.headers)

    assert (answer.status_code, answer.json["status"], answer.json["version"]) == (202, "queued", 2)
    assert [chunk.text for chunk in visible(app)] == [HOURS]
    assert ingest_now(app, id_) == "ready"
    assert [chunk.text for chunk in visible(app)] == [RETURNS]
    assert [version for version, *_ in versions(app, id_)] == [1, 2]


def test_an_unchanged_page_leaves_no_version_behind(app, reached, embedder):
    id_ = ready(app, reached.url("/hours"))
    before, chunks = document(app, id_), [(c.id, c.added_revision) for c in visible(app)]
    embedded = len(embedder.texts)

    retry(app, id_)
    assert ingest_now(app, id_) == "ready"

    after = document(app, id_)
    assert (after.version, after.content_hash, after.size_bytes) == (1, before.content_hash, before.size_bytes)
    assert (after.status, after.chunk_count, after.chunks_done, after.chunks_total) == ("ready", 1, 1, 1)
    assert (after.lease_owner, after.lease_until, after.blocked_because) == (None, None, None)
    assert (versions(app, id_)[-1][0], len(embedder.texts)) == (1, embedded)
    assert [(c.id, c.added_revision) for c in visible(app)] == chunks
    assert len(reached.requests) == 2


def test_a_page_that_has_gone_fails_and_what_was_there_answers_on(app, reached, embedder):
    id_ = ready(app, reached.url("/hours"))
    reached.page("/hours", "gone", status=410)
    retry(app, id_)
    assert ingest_now(app, id_) == "failed"
    assert [chunk.text for chunk in visible(app)] == [HOURS]
    reached.page("/hours", PAGE)
    retry(app, id_)
    assert ingest_now(app, id_) == "ready"
    assert (document(app, id_).version, [c.text for c in visible(app)]) == (1, [HOURS])


def test_a_page_is_judged_again_each_time_it_is_fetched(app, reached, embedder):
    """I6"""
    app.extensions["fetch_limits"] = replace(app.extensions["fetch_limits"], resolve=lambda _: ["127.0.0.1"])
    id_ = ready(app, reached.url("/hours", host="docs.example.com"))
    app.extensions["fetch_limits"] = replace(app.extensions["fetch_limits"], resolve=lambda _: ["10.0.0.1"])
    retry(app, id_)
    assert ingest_now(app, id_) == "failed"
    assert document(app, id_).error_code == "url_not_allowed"


def test_a_failed_document_goes_back_into_the_queue(app, client, root, embedder):
    from tests.knowledge.conftest import add as add_file

    id_ = add_file(app, b"%PDF-1.4 broken", "a.pdf")
    assert ingest_now(app, id_) == "failed"
    answer = client.post(f"{DOCUMENTS}{id_}/retry/", headers=root.headers)
    assert (answer.status_code, answer.json["status"], answer.json["error"]) == (202, "queued", None)


def test_a_document_that_waits_waits_no_longer(app, client, root, reached):
    reached.page("/", "sorry", status=503)
    id_ = add(app, reached.url("/"))
    ingest_now(app, id_)
    assert ingest_now(app, id_) is None
    assert client.post(f"{DOCUMENTS}{id_}/retry/", headers=root.headers).status_code == 202
    assert ingest_now(app, id_) == "queued"
    assert document(app, id_).attempts == 2


def test_a_ready_document_without_a_url_has_nothing_to_try_again(app, client, root):
    id_ = add_and_ingest(app, HOURS).id
    answer = client.post(f"{DOCUMENTS}{id_}/retry/", headers=root.headers)
    assert (answer.status_code, answer.json["code"]) == (409, "nothing_to_retry")
    assert client.post(f"{DOCUMENTS}{NOBODY}/retry/", headers=root.headers).status_code == 404


def test_only_a_ready_document_is_fetched_again(app, reached):
    id_ = add(app, reached.url("/hours"))
    with app.extensions["sessions"]() as session:
        with pytest.raises(NothingToRetry):
            urls.refetch(session, id_)
        assert not session.in_transaction()
    assert document(app, id_).version == 1


def test_pages_retried_by_many_at_once_get_one_new_version(app, reached, embedder):
    """M15"""
    id_ = ready(app, reached.url("/hours"))
    barrier = threading.Barrier(4)
    errors: list[Exception] = []

    def again() -> None:
        barrier.wait()
        try:
            retry(app, id_)
        except NothingToRetry:
            pass
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, document(app, id_).version) == ([], 2)


# The settings


def test_an_operator_allows_his_own_hosts(make_app, server, tmp_path):
    app = make_app(fetch_ports=str(server.port), fetch_allow_hosts="127.0.0.1")
    id_ = ready(app, server.url("/hours"))
    assert document(app, id_).title == "Opening hours"


def test_without_settings_only_the_public_internet_is_reached(make_app, server):
    """I1"""
    limits = make_app().extensions["fetch_limits"]
    assert (limits.ports, limits.allowed_networks, limits.allowed_hosts) == ({80, 443}, (), frozenset())
    assert limits.max_bytes == 25 * 1024 * 1024
    assert (limits.media_types, limits.resolve, limits.tls) == (urls.MEDIA_TYPES, Limits().resolve, None)


def test_the_encoding_that_only_the_header_names_is_read(app, reached, embedder):
    page = "<title>T</title><p>Książnica jest otwarta w święta od dziewiątej.</p>".encode("iso-8859-2")
    reached.page("/pl", page, media_type="text/html; charset=iso-8859-2")
    id_ = ready(app, reached.url("/pl"))
    with app.extensions["sessions"]() as session:
        text = session.scalar(select(DocumentVersion.text).where(DocumentVersion.document_id == id_))
    assert text == "Książnica jest otwarta w święta od dziewiątej."


def test_a_dry_run_refuses_the_login_form_that_ingestion_refuses(client, root, reached):
    reached.redirect("/hours", "/login")
    reached.page("/login", "<title>Sign in</title><form>Name <input name=u> <input type=password> Sign in</form>")
    answer = client.post(f"{DOCUMENTS}?dry_run=1", json={"url": reached.url("/hours")}, headers=root.headers)
    assert (answer.status_code, answer.json["code"]) == (422, "fetch_failed")
    assert "login form" in answer.json["detail"]


def test_a_login_form_in_place_of_a_page_fails_and_the_version_before_stays(app, reached, embedder):
    id_ = ready(app, reached.url("/hours"))
    reached.redirect("/hours", "/login")
    reached.page("/login", "<title>Sign in</title><form>Name <input name=u> <input type=password> Sign in</form>")
    retry(app, id_)
    assert ingest_now(app, id_) == "failed"
    failed = document(app, id_)
    assert (failed.error_code, failed.error_detail) == ("fetch_failed", "A login form came instead of the page.")
    assert versions(app, id_)[0][0] == 1
    assert visible(app)
