"""What each API key has used today, by the database's day (UTC), so that any number of gateways agree."""

from dataclasses import dataclass

from brushwork_schemas.errors import BudgetExceeded
from sqlalchemy import Connection, and_, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import KEY_USAGE
from brushwork_core.database.upsert import insert_or_ignore

DAY_MS = 24 * 3600 * 1000
# Sums of floats come out a little beside what they should.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Usage:
    """What a key has used.

    Args:
        num_jobs: Jobs accepted.
        cost: Megapixels x steps of them all.
    """

    num_jobs: int = 0
    cost: float = 0.0


@dataclass(frozen=True)
class Charge:
    """A use that was entered, and on which day since 1970."""

    key_id: str
    day: int
    usage: Usage


class KeyUsage:
    """Counts what keys use, and refuses what goes beyond their budgets.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def charge(self, key_id: str, usage: Usage, *, budget: float | None = None) -> Charge:
        """Enter a use, if the day's budget holds it: one guarded UPDATE, exact among any number of gateways.

        Args:
            key_id: Whose.
            usage: How much.
            budget: Most cost of a day; None is without bound.

        Raises:
            BudgetExceeded: The rest of today's budget is less.
        """
        clock, used = self._database.write(lambda connection: _charge(connection, key_id, usage, budget))
        if used is not None:
            raise BudgetExceeded(
                f"The key's budget of today holds no more: {used:g} of {budget:g} are used, "
                f"and this takes {usage.cost:g}.",
                retry_after_s=(DAY_MS - clock % DAY_MS) / 1000,
                hint="Budgets begin anew at 00:00 UTC; an operator can make a key with a larger one.",
            )
        return Charge(key_id, clock // DAY_MS, usage)

    def refund(self, charge: Charge, part: Usage | None = None) -> None:
        """Take back a charge, or a part of it."""
        back = part or charge.usage
        of_key = and_(KEY_USAGE.c.key_id == charge.key_id, KEY_USAGE.c.day == charge.day)
        less = update(KEY_USAGE).where(of_key)
        less = less.values(num_jobs=KEY_USAGE.c.num_jobs - back.num_jobs, cost=KEY_USAGE.c.cost - back.cost)
        self._database.write(lambda connection: connection.execute(less).rowcount)

    def today(self) -> dict[str, Usage]:
        """What each key has used today, by its id; who has used nothing is left out."""
        is_today = KEY_USAGE.c.day == now_ms() // DAY_MS
        with self._database.reading() as connection:
            rows = connection.execute(select(KEY_USAGE).where(is_today))
            return {row.key_id: Usage(row.num_jobs, row.cost) for row in rows}


def _charge(
    connection: Connection, key_id: str, usage: Usage, budget: float | None
) -> tuple[int, float | None]:
    """The database's time in milliseconds, and what was used before, if the budget does not hold the rest."""
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
