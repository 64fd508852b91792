"""Usage of each API key per UTC day. The database keeps the time, so that all gateways agree on the day."""

from dataclasses import dataclass

from brushwork_schemas.errors import BudgetExceeded
from brushwork_schemas.wording.phrase import said
from sqlalchemy import Connection, and_, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import KEY_USAGE
from brushwork_core.database.upsert import insert_or_ignore

DAY_MS = 24 * 3600 * 1000
# Tolerance for rounding in sums of floats, relative.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Usage:
    """Usage of a key.

    Args:
        num_jobs: Number of accepted jobs.
        cost: Sum of their costs, in megapixels x steps.
    """

    num_jobs: int = 0
    cost: float = 0.0


@dataclass(frozen=True)
class Charge:
    """Usage that was charged to a key.

    Args:
        key_id: Id of the key.
        day: Day of the charge, in days since 1970.
        usage: What was charged.
    """

    key_id: str
    day: int
    usage: Usage


class KeyUsage:
    """Counts the usage of keys, and enforces their budgets.

    Args:
        database: Database of the keys.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def charge(self, key_id: str, usage: Usage, *, budget: float | None = None) -> Charge:
        """Charge usage to a key, if its budget of today suffices.

        It is one guarded UPDATE, which is exact with any number of gateways.

        Args:
            key_id: Id of the key.
            usage: What to charge.
            budget: Limit of the cost per UTC day; None for no limit.

        Raises:
            BudgetExceeded: The rest of today's budget is smaller than the cost.
        """
        clock, used = self._database.write(lambda connection: _charge(connection, key_id, usage, budget))
        if used is not None:
            raise BudgetExceeded(
                said(
                    "The daily budget of the API key does not suffice: {used:g} of {budget:g} are "
                    "used, and this request costs {cost:g}.",
                    used=used,
                    budget=budget,
                    cost=usage.cost,
                ),
                retry_after_s=(DAY_MS - clock % DAY_MS) / 1000,
                hint="Budgets are reset at 00:00 UTC. An operator can create a key with a larger budget.",
            )
        return Charge(key_id, clock // DAY_MS, usage)

    def refund(self, charge: Charge, part: Usage | None = None) -> None:
        """Undo a charge, or a part of it."""
        back = part or charge.usage
        of_key = and_(KEY_USAGE.c.key_id == charge.key_id, KEY_USAGE.c.day == charge.day)
        less = update(KEY_USAGE).where(of_key)
        less = less.values(num_jobs=KEY_USAGE.c.num_jobs - back.num_jobs, cost=KEY_USAGE.c.cost - back.cost)
        self._database.write(lambda connection: connection.execute(less).rowcount)

    def today(self) -> dict[str, Usage]:
        """Return today's usage by key id. Keys without usage are left out."""
        is_today = KEY_USAGE.c.day == now_ms() // DAY_MS
        with self._database.reading() as connection:
            rows = connection.execute(select(KEY_USAGE).where(is_today))
            return {row.key_id: Usage(row.num_jobs, row.cost) for row in rows}


def _charge(
    connection: Connection, key_id: str, usage: Usage, budget: float | None
) -> tuple[int, float | None]:
    """The database's time in milliseconds; and the used cost where the budget does not suffice, else None."""
    clock: int = connection.execute(select(now_ms())).scalar_one()
    day = clock // DAY_MS
    connection.execute(
        insert_or_ignore(connection, KEY_USAGE).values(key_id=key_id, day=day, num_jobs=0, cost=0.0)
    )
    row = update(KEY_USAGE).where(KEY_USAGE.c.key_id == key_id, KEY_USAGE.c.day == day)
    if budget is not None:
        row = row.where(KEY_USAGE.c.cost + usage.cost <= budget * (1 + TOLERANCE))
    more = {"num_jobs": KEY_USAGE.c.num_jobs + usage.num_jobs, "cost": KEY_USAGE.c.cost + usage.cost}
    if connection.execute(row.values(**more)).rowcount:
        return clock, None
    used = select(KEY_USAGE.c.cost).where(KEY_USAGE.c.key_id == key_id, KEY_USAGE.c.day == day)
    return clock, connection.execute(used).scalar_one()
