"""The worker process: its composition, its Celery application and its life cycle."""
