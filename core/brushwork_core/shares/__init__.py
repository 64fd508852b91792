"""How what there is of something is divided among tenants. Pure: no clock, no thread, no server."""
