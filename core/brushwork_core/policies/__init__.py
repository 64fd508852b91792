"""Policies: what an operator allows callers to ask for, and results to show. See docs/policies.md."""

from brushwork_core.policies.decision import Action as Action
from brushwork_core.policies.decision import Decision as Decision
from brushwork_core.policies.decision import Stage as Stage
from brushwork_core.policies.policy import Policy as Policy
from brushwork_core.policies.policy import PolicyRequest as PolicyRequest
from brushwork_core.policies.policy import PolicyResult as PolicyResult
from brushwork_core.policies.policy import PolicyType as PolicyType
from brushwork_core.policies.policy import ResultPicture as ResultPicture
