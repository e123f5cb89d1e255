"""E-mails and calendars."""
