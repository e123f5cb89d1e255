"""What markup means for a reader: what it hides, composes, raises and strikes out."""
