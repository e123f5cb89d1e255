from tests.conftest import HOURS, put_in


def test_a_question_is_answered_from_a_document(app, client, ada):
    put_in(app, HOURS, "Opening hours")
    answer = client.post("/api/chat/send/", json={"message": "When is the shop open?"}, headers=ada.headers).json
    assert "nine to five" in answer["message"]["content"]
