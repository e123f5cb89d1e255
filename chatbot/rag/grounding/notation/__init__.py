"""Values in whatever notation: numbers, amounts, units, dates and times in figures and words, of several languages."""
