"""Equal shares of running jobs: which tenants run fewer than the others let them."""

from collections.abc import Iterable, Mapping


def shortfalls(
    running: Mapping[str, int], coming: Mapping[str, int], waiting: Iterable[str]
) -> dict[str, int]:
    """Return how many more jobs each waiting tenant must start to have an equal share of the running jobs.

    Args:
        running: Number of running jobs, by tenant.
        coming: Number of jobs that are next in any case, by tenant.
        waiting: Tenants that have more jobs.

    Returns:
        Numbers above 0, by tenant. Without running jobs there are none: then everybody can start.
    """
    wanted = sorted(waiting)
    num_tenants, total = len(running.keys() | set(wanted)), sum(running.values())
    if num_tenants < 2 or not total:
        return {}
    share = max(1, total // num_tenants)
    missing = {name: share - running.get(name, 0) - coming.get(name, 0) for name in wanted}
    return {name: number for name, number in missing.items() if number > 0}
