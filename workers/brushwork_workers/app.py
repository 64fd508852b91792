"""The Celery application by the name that Celery's own commands want: `celery -A brushwork_workers.app ...`.

`brushwork worker` is the usual way to run it; the same worker runs as
`celery -A brushwork_workers.app worker -P threads -Q text-to-image`.
"""

from brushwork_core.settings.settings import Settings

from brushwork_workers.process.celery_worker import worker_app

app = worker_app(Settings.load())
