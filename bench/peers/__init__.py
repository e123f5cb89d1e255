"""This project beside its peers, in one run; what the peers need lies in a virtual environment of its own."""
