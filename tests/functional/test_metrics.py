"""/metrics over two web processes."""

from __future__ import annotations

import requests

from tests.functional.conftest import METRICS_TOKEN
from tests.functional.house import ProcessFleet

ROUTE = 'chatbot_http_requests_total{method="GET",route="none",status="404"}'


def counted(house: ProcessFleet) -> float:
    answer = requests.get(f"{house.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10)
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    return float(lines.get(ROUTE, 0))


def test_whichever_process_is_asked_tells_the_numbers_of_all(house):
    before = counted(house)
    for number in range(40):
        assert requests.get(f"{house.url}/nowhere-{number}", timeout=10).status_code == 404
    assert {counted(house) - before for _ in range(10)} == {40}
