from tests.conftest import HOURS, add_and_ingest


def test_a_question_is_answered_from_a_document(app, client, ada):
    add_and_ingest(app, HOURS, "Opening hours")
    answer = client.post("/api/chat/send/", json={"message": "When is the shop open?"}, headers=ada.headers).json
    assert "nine to five" in answer["message"]["content"]
