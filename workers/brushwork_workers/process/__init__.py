"""The worker process: its parts, its Celery application and its lifecycle."""
