"""LaTeX as papers and theses are written."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import ParseError, parse


def text_of(source: str) -> str:
    preamble = "\\documentclass{article}\n\\newcommand{\\pool}{Harbour Pool}\n"
    document = f"{preamble}\\begin{{document}}\n{source}\n\\end{{document}}"
    return parse(document.encode(), "a.tex").text


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (r"\section{Prices}\label{a} A ticket.", "## Prices\n\nA ticket."),
        (r"\chapter*{One} \subsubsection[short]{Two}", "# One\n\n#### Two"),
        (r"\begin{itemize}\item One \item Two\end{itemize}", "- One\n- Two"),
        (r"\begin{enumerate}\item One \item[x)] Two \item Three\end{enumerate}", "1. One\nx) Two\n3. Three"),
        (r"\begin{description}\item[Dog] barks\end{description}", "Dog: barks"),
        (
            r"\begin{tabular}{ll}\hline Who & Price \\ Child & 4 \\\hline\end{tabular}",
            "Who | Price\nWho: Child; Price: 4",
        ),
        (
            r"\begin{tabular}{ll}Who & Price \\ \multicolumn{1}{l}{Dog} & 4\end{tabular}",
            "Who | Price\nWho: Dog; Price: 4",
        ),
        ("\\begin{verbatim}\n% kept\n\\end{verbatim}", "```\n% kept\n```"),
        ("\\begin{lstlisting}[language=Python]\na = 1\n\\end{lstlisting}", "```python\na = 1\n```"),
        ("\\begin{minted}{rust}\nlet a = 1;\n\\end{minted}", "```rust\nlet a = 1;\n```"),
        (r"Caf\'e, na{\"\i}ve, \O, stra\ss e, 5\,\%, \$3, A\&B, a\_b", "Café, naïve, Ø, straße, 5 %, $3, A&B, a_b"),
        (r"``quoted'' --- and 3--4", "“quoted” — and 3–4"),
        (r"Area $25\,m^2$.", r"Area $25\,m^2$."),
        (r"\begin{equation}E=mc^2\end{equation}", r"\begin{equation}E=mc^2\end{equation}"),
        (r"Open\footnote{Not on \emph{Mondays}.} daily.", "Open[1] daily.\n\n[1] Not on Mondays."),
        (
            r"\href{https://a.example}{the site}, \url{https://b.example}",
            "[the site](https://a.example), https://b.example",
        ),
        (r"The \pool{} is \textbf{open}.", "The Harbour Pool is open."),
        (r"\begin{figure}\includegraphics{a.png}\caption[x]{The pool.}\end{figure}", "The pool."),
        (r"See \ref{sec:a} and \cite[p. 2]{knuth}.", "See [sec:a] and [knuth]."),
        (r"\textcolor{red}{Closed}", "Closed"),
        (r"\unknownmacro{kept} text", "kept text"),
    ],
)
def test_text_is_shown_as_its_readers_see_it(source, shown):
    assert text_of(source) == shown


@pytest.mark.parametrize(
    "source",
    ["% comment", r"\input{other}", r"\vspace{3cm}", r"\bibliography{a}", r"\begin{comment}no\end{comment}", r"\today"],
)
def test_what_nobody_sees_is_left_out(source):
    assert text_of(f"{source}\n\nSeen.") == "Seen."


def test_title_stands_in_the_preamble():
    parsed = parse(b"\\title{Pool \\textit{rules}}\n\\begin{document}\\maketitle x\\end{document}", "a.tex")

    assert (parsed.title, parsed.text) == ("Pool rules", "# Pool rules\n\nx")


def test_macros_that_use_each_other_end():
    source = rb"\newcommand{\a}{\b}\newcommand{\b}{\a x}\begin{document}\a y\end{document}"

    assert "y" in parse(source, "a.tex").text


def test_groups_beyond_any_depth_are_too_complex():
    with pytest.raises(ParseError) as caught:
        parse(b"{" * 100_000 + b"x", "a.tex")
    assert caught.value.code == "too_complex"
