"""The functions that the command line uses for model files: the entry point `models` of brushwork.service."""

from brushwork_workers.models.location import locate
from brushwork_workers.models.pulling import plan
from brushwork_workers.models.recognition import recognise

__all__ = ["locate", "plan", "recognise"]
