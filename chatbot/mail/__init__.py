"""E-mails out. A row is the queue of record: queued, sent, failed or cancelled."""
