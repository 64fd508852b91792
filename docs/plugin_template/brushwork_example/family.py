"""Family `inverter`. Clients load this module too; the loader is imported only inside a worker."""

from brushwork_schemas.families.family import Family

FAMILY = Family(
    name="inverter",
    library="brushwork-example",
    loader="brushwork_example.inverter:load",
    kinds=("image-inversion",),
)
