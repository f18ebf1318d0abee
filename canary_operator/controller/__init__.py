"""kopf watches; caches remember; the scheduler is woken. Nothing is decided here."""
