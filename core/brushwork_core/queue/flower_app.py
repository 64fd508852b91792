"""The Celery application for Flower with Sentinel: `celery -A brushwork_core.queue.flower_app flower`.

Flower alone knows the address of its broker, but neither the name of the master nor the password of the
sentinels. This application has them from the settings of brushwork.
"""

from brushwork_core.queue.broker import celery_app
from brushwork_core.settings.settings import Settings

app = celery_app(Settings.load())
