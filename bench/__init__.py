"""What the README claims, as commands. Each prints figures and ratios measured in one run; none asserts a time."""
