"""/ shows people a page and programs JSON."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeApp

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client(sqlite_app) -> FlaskClient:
    return sqlite_app.test_client()


def test_home_for_a_browser_is_a_page_whose_links_work(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": BROWSER})

    assert (page.status_code, page.mimetype) == (200, "text/html")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/swagger/" in links
    for link in links:
        assert link.startswith("/")
        with client.get(link) as answer:
            assert answer.status_code == 200, link


def test_home_page_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": BROWSER})

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    assert "<script" not in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize("accept", [None, "application/json", "*/*"])
def test_home_for_a_program_is_json_with_links(client: FlaskClient, accept: str | None) -> None:
    answer = client.get("/", headers={"Accept": accept} if accept else {})

    assert answer.mimetype == "application/json"
    assert answer.json["links"]["documentation"] == "/swagger/"
    assert "Accept" in answer.headers["Vary"]


def test_home_without_api_docs_does_not_link_to_them(make_app: MakeApp) -> None:
    client = make_app(api_docs=False).test_client()

    assert "/swagger/" not in client.get("/", headers={"Accept": BROWSER}).text
    assert "documentation" not in client.get("/").json["links"]


def test_home_page_names_the_public_url(make_app: MakeApp) -> None:
    client = make_app(public_url="https://chat.example.com/").test_client()

    page = client.get("/", headers={"Accept": BROWSER, "Host": "elsewhere.example"})

    assert "curl -s https://chat.example.com/api/users/signup/" in page.text
    assert "elsewhere" not in page.text
