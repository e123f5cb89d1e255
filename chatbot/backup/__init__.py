"""Backups: all that is stored, in one file that any database can be made from again."""
