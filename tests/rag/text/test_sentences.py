"""Units a person would quote. The cuts are checked as spans, so a verbatim quote is one by construction."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.rag.text.sentences import is_code, units

PIECE = st.sampled_from(
    [
        "One here. ",
        "Two e.g. this! ",
        "# Head\n",
        "- item\n",
        "| a | b |\n",
        "```\n",
        "code = 1.5\n",
        "\n",
        "\n\n",
        "第一句。第二句！",
        "Dr. Who? ",
        "x",
        " ",
        "1. first\n",
        "\r\n",
        "\u2028",
    ]
)


def cut(text: str) -> list[str]:
    return [text[a:b] for a, b in units(text)]


@given(st.lists(PIECE, max_size=25).map("".join) | st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_units_are_trimmed_in_order_and_do_not_overlap(text):
    end = 0
    for start, stop in units(text):
        assert end <= start < stop <= len(text)
        assert text[start:stop] == text[start:stop].strip()
        end = stop


def test_sentences_are_cut_at_their_ends():
    text = 'The shop opens at nine. "Really?" It does! (On Saturdays at ten.) Then it closes…'
    assert cut(text)[0] == "The shop opens at nine."
    assert "It does!" in cut(text)


@pytest.mark.parametrize("text", ["Ask Dr. Smith today.", "Use a tool, e.g. Make.", "It is version 1.5 now.", "J. Doe"])
def test_a_dot_inside_a_sentence_does_not_end_it(text):
    assert cut(text) == [text]


def test_sentences_of_scripts_without_spaces_are_cut():
    assert cut("店は九時に開きます。十時に閉まります。") == ["店は九時に開きます。", "十時に閉まります。"]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Магазин открыт с девяти.", "По субботам с десяти."],
        ["Το κατάστημα ανοίγει στις εννέα.", "Το Σάββατο στις δέκα."],
        ["المتجر مفتوح من التاسعة.", "هل يفتح يوم السبت؟", "نعم، في العاشرة."],
        ["दुकान नौ बजे खुलती है।", "शनिवार को दस बजे।"],
        ["La tienda abre a las nueve.", "¿Y los sábados?", "«A las diez.»", "Luego cierra."],
        ["Unicorns live 42 years.", "“Nobody has seen one.”", "That is said."],
    ],
    ids=["russian", "greek", "arabic", "hindi", "spanish", "quotation-marks"],
)
def test_sentences_of_other_scripts_and_quotation_marks_are_cut(sentences):
    assert cut(" ".join(sentences)) == [sentence.rstrip("”»") for sentence in sentences]


def test_a_small_letter_begins_no_sentence_in_any_script():
    for text in ("Он живёт на ул. пушкина, дом пять.", "Ζει στην οδ. ερμού."):
        assert cut(text) == [text]


def test_headings_are_left_out_and_items_and_rows_stand_alone():
    text = "# Head\nIntro line.\n- one\n- two\n\n| a | b |\n"
    assert cut(text) == ["Intro line.", "- one", "- two", "| a | b |"]


def test_a_block_of_code_is_one_unit():
    text = "Run this:\n```\nmake run. Then stop.\n\n# no heading\n```\nDone."
    found = cut(text)
    assert [unit for unit in found if is_code(unit)] == ["```\nmake run. Then stop.\n\n# no heading\n```"]
    assert found[-1] == "Done."


def test_code_whose_fence_is_never_closed_is_still_one_unit():
    assert cut("Before.\n```\na. B\nc. D") == ["Before.", "```\na. B\nc. D"]


@pytest.mark.parametrize("text", ["", "  \n ", "# Only\n## headings\n"])
def test_nothing_to_quote_has_no_units(text):
    assert units(text) == []


def test_a_month_that_is_cut_short_ends_no_sentence():
    assert cut("Version 2 came on Jan. 5. It was late.") == ["Version 2 came on Jan. 5.", "It was late."]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Die Frist endet am 15. Januar um zwölf.", "Die Kantine ist neu."],
        [
            "Das Büro ist im 3. Stock, nach Art. 13 Abs. 2 der Satzung.",
            "Es kostet rund 2 Mio. Euro.",
            "Der Chor singt.",
        ],
        ["Fragen Sie Hr. Lindner oder Fr. Dr. Weber.", "Sie antworten z. B. Montags."],
        ["Der Verein besteht seit 1998.", "Kinder zahlen nichts."],
        ["Sie kam am 15.", "Der Verein feierte.", "Es war kalt."],
        ["Der 2. Vorsitzende wohnt in der Hauptstr. 5.", "Er hat Tel. 123."],
        ["See Sec. 4 and Fig. 2.", "It begins at 9 a.m. Monday.", "We met at 5 p.m.", "The hall was full."],
        ["It is sold by Harbor Inc.", "Nobody else has it.", "The U.S. Senate met in St. Louis.", "Prices rose."],
        ["The hall seats 80.", "Doors open at six.", "Bring pens, paper, etc.", "Nothing else is needed."],
        [
            "Adressez-vous à Mme. Le Goff au bureau no. 4.",
            "Le parc est fermé.",
            "Il vient de M. Roussel, p. ex. Lundi.",
        ],
        [
            "Hable con el Sr. Gómez o la Sra. Ruiz en la Avda. Mayor.",
            "Hay sombra.",
            "Abre a las 9 a. m.",
            "El cine cierra.",
        ],
        ["Chieda al Sig. Rossi o alla Dott.ssa Bianchi in via Roma n. 5.", "Il parco è chiuso."],
        ["Ga naar kamer nr. 12 bij dhr. De Vries.", "Het park is open.", "Het kost ca. 5 euro.", "De zaal is vol."],
        ["Fale com o Sr. Costa ou a Dra. Lima na sala n. 3.", "O parque fecha cedo."],
        ["Proszę iść do pok. nr 5 na ul. Długiej.", "To kosztuje ok. 20 zł, np. W sobotę."],
        ["Он живёт на ул. Ленина, см. рис. 5.", "Это стоит 5 тыс. Рублей мало.", "Вход свободный."],
        ["「はい。」と答えた。", "門は開いていた。", "（要予約。）", "次は九時です。"],
        ["他说：“九点开门。”", "他走了。"],
        ["Πότε ανοίγει η βιβλιοθήκη;", "Στις εννέα."],
        ["Խանութը բաց է։", "Այն փակ է։"],
    ],
    ids=[
        "ordinal",
        "units",
        "titles",
        "year",
        "day-ends",
        "street",
        "english",
        "company",
        "numbers",
        "french",
        "spanish",
        "italian",
        "dutch",
        "portuguese",
        "polish",
        "russian",
        "japanese",
        "chinese",
        "greek",
        "armenian",
    ],
)
def test_a_full_stop_ends_a_sentence_where_a_person_would_end_it(sentences):
    joined = "" if any("\u3040" <= c <= "\u9fff" for c in sentences[0]) else " "
    assert cut(joined.join(sentences)) == sentences


def test_the_number_of_a_step_belongs_to_it():
    assert cut("1. Open the lid. 2. Fill it. 3. Close.") == ["1. Open the lid.", "2. Fill it.", "3. Close."]


def test_the_number_of_an_item_is_no_sentence():
    assert cut("1. Close the valve. Wait.\n2. Open it.\n10) Done.") == [
        "1. Close the valve.",
        "Wait.",
        "2. Open it.",
        "10) Done.",
    ]
    assert cut("It was 1994. Then it rained.") == ["It was 1994.", "Then it rained."]
