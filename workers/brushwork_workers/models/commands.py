"""What the command line may ask about models' files: the entry point `models` of brushwork.service."""

from brushwork_workers.models.location import locate
from brushwork_workers.models.pulling import plan
from brushwork_workers.models.recognition import recognise

__all__ = ["locate", "plan", "recognise"]
