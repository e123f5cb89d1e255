"""Text as such: splitting, sentences, words, stems, languages, tokens, and characters that nobody sees."""
