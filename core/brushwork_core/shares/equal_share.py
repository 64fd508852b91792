"""Equal shares of running jobs between tenants."""

from collections.abc import Mapping, Sequence


def equal_shares(number: int, waiting: Sequence[str], running: Mapping[str, int]) -> dict[str, int]:
    """Return how many of the next jobs each waiting tenant may start.

    Each job goes to the tenant that runs the fewest then (max-min fairness). Tenants that run equally many
    take turns.

    Args:
        number: How many jobs can start.
        waiting: Tenants that have more jobs, in the order of their turns.
        running: Number of running jobs, by tenant.

    Returns:
        Numbers above 0, by tenant, in the order of the turns.
    """
    if len(waiting) == 1:
        return {waiting[0]: number}
    counts = {tenant: running.get(tenant, 0) for tenant in waiting}
    shares = dict.fromkeys(waiting, 0)
    for _ in range(number):
        # Of equals, that with fewer of these jobs; else the first.
        tenant = min(waiting, key=lambda name: (counts[name], shares[name]))
        counts[tenant] += 1
        shares[tenant] += 1
    return {tenant: share for tenant, share in shares.items() if share}


def below_share(number: int, waiting: Sequence[str], running: Mapping[str, int]) -> dict[str, int]:
    """Return how many jobs those tenants may start that run fewer than an equal share of the running jobs.

    Args:
        number: How many jobs can start.
        waiting: Tenants that have more jobs, in the order of their turns.
        running: Number of running jobs, by tenant.

    Returns:
        Numbers above 0, by tenant. There are none if no other tenant runs jobs.
    """
    others = {tenant for tenant, count in running.items() if count}
    share = sum(running.values()) // max(1, len(others.union(waiting)))
    counts = {tenant: running.get(tenant, 0) for tenant in waiting}
    found: dict[str, int] = {}
    while sum(found.values()) < number and counts:
        tenant = min(counts, key=lambda name: counts[name])
        if counts[tenant] >= max(1, share) or others <= {tenant}:
            break
        counts[tenant] += 1
        found[tenant] = found.get(tenant, 0) + 1
    return found
