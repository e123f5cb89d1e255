"""What Office Open XML files have in common: parts, numbering, equations, charts, number formats."""
