"""The Celery application, for Celery's own commands: `celery -A brushwork_workers.app ...`.

`brushwork worker` is the usual way to run a worker. The same worker runs as
`celery -A brushwork_workers.app worker -P threads -Q text-to-image`.
"""

from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log

from brushwork_workers.process.celery_worker import worker_app

settings = Settings.load()
log.capture(settings.log_format)
app = worker_app(settings)
