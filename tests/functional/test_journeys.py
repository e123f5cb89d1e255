"""What a person does from the first visit on, over HTTP, against the real processes."""

from __future__ import annotations

import email
import re
from email.policy import default

import requests

from tests.functional.house import PASSWORD, ProcessFleet, wait_for

GUIDE = "# Opening hours\n\nThe shop is open from nine to five, Monday to Friday. On Saturdays it opens at ten.\n"


def test_from_the_first_visit_to_a_cited_answer_and_back(house: ProcessFleet, admin: dict[str, str]) -> None:
    fields = {"username": "grace", "email": "grace@example.com", "password": PASSWORD, "password2": PASSWORD}
    signed_up = requests.post(f"{house.url}/api/users/signup/", json=fields, timeout=20)
    assert (signed_up.status_code, signed_up.json()["user"]["is_verified"]) == (201, False)

    letter = email.message_from_string(house.letter_to("grace@example.com"), policy=default)
    (link,) = re.findall(r"http\S+", letter.get_body(("plain",)).get_content())
    assert '<form method="post">' in requests.get(link, timeout=20).text
    confirmed = requests.post(link, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=20)
    assert "Your address is confirmed" in confirmed.text

    grace = house.log_in("grace")
    assert requests.get(f"{house.url}/api/users/profile/", headers=grace, timeout=20).json()["is_verified"] is True

    upload = {"file": ("opening-hours.md", GUIDE.encode(), "text/markdown")}
    documents = f"{house.url}/api/knowledge/documents/"
    put = requests.post(documents, params={"wait": 20}, files=upload, headers=admin, timeout=40)
    assert (put.status_code, put.json()["status"]) == (201, "ready")

    first = house.ask(grace, "When is the shop open during the week?")
    assert "nine to five" in first["message"]["content"]
    citation = first["message"]["metadata"]["citations"][0]
    assert citation["verified"]
    assert GUIDE[citation["char_start"] : citation["char_end"]] == citation["quote"]

    second = house.ask(grace, "And on Saturdays?", chat_session_id=first["chat_session_id"])
    assert "opens at ten" in second["message"]["content"]

    url = f"{house.url}/api/chat/history/"
    (found,) = requests.get(url, params={"q": "saturdays"}, headers=grace, timeout=20).json()["items"]
    assert (found["id"], found["message_count"]) == (first["chat_session_id"], 4)

    receipt = requests.delete(f"{documents}{put.json()['id']}/", headers=admin, timeout=20)
    assert receipt.status_code == 200
    third = house.ask(grace, "When is the shop open during the week?")
    assert third["message"]["metadata"]["context_used"] is False


def test_every_web_process_sees_a_new_document_and_its_deletion_at_once(
    house: ProcessFleet, admin: dict[str, str]
) -> None:
    """M12"""
    document = house.add(admin, "Zeppelins", "The zeppelin hangar stands in Friedrichshafen.", wait=20)
    assert document["status"] == "ready"

    def found() -> set[str]:
        """What is found by enough requests to meet both processes."""
        url, titles = f"{house.url}/api/knowledge/search/", set()
        for _ in range(12):
            items = requests.get(url, params={"q": "zeppelin hangar"}, headers=admin, timeout=20).json()["items"]
            titles.add("there" if any(item["title"] == "Zeppelins" for item in items) else "gone")
        return titles

    assert found() == {"there"}
    requests.delete(f"{house.url}/api/knowledge/documents/{document['id']}/", headers=admin, timeout=20)
    assert found() == {"gone"}


def test_a_logout_counts_in_every_web_process_at_once(house: ProcessFleet) -> None:
    """E12"""
    house.sign_up("hedy")
    fields = {"email": "hedy@example.com", "password": PASSWORD}
    tokens = requests.post(f"{house.url}/api/users/login/", json=fields, timeout=20).json()
    headers = {"Authorization": f"Bearer {tokens['access']}"}
    profile = f"{house.url}/api/users/profile/"
    assert {requests.get(profile, headers=headers, timeout=20).status_code for _ in range(12)} == {200}

    logout = f"{house.url}/api/users/logout/"
    assert requests.post(logout, json={"refresh": tokens["refresh"]}, headers=headers, timeout=20).status_code == 204

    assert {requests.get(profile, headers=headers, timeout=20).status_code for _ in range(12)} == {401}


def test_no_process_has_written_a_secret(house: ProcessFleet) -> None:
    """P1, C10"""
    token = house.sign_up("joan")["Authorization"].removeprefix("Bearer ")
    letter = house.letter_to("joan@example.com")
    wait_for(lambda: "mail_sent" in house.log("worker"), 5, "the worker's log")
    logs = house.log("web") + house.log("worker") + house.log("beat")

    for secret in (PASSWORD, token, "sk-test-canary", house.environment["SECRET_KEY"]):
        assert secret not in logs
    assert "token=" in letter
    assert "token=3D" not in logs
    assert not re.search(r"verify-email/\?token=\w", logs)
