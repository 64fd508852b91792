"""Settings of the gateway's connections: what one may cost before and after its caller is known."""

from pydantic import BaseModel, Field


class ConnectionSettings(BaseModel):
    """Limits of a connection, and of all connections together."""

    max_connections: int = Field(
        4096,
        ge=8,
        description="Connections that the gateway holds at once; fewer if it may open fewer files.",
    )
    head_timeout_s: float = Field(
        10.0, gt=0, description="Seconds from the connection to the end of the head of its request."
    )
    body_timeout_s: float = Field(
        15.0, gt=0, description="Seconds without a byte of the body after which the gateway closes."
    )
    body_min_bytes_s: float = Field(
        1024.0, ge=0, description="Fewest bytes a second of a body, on average after its first 15 seconds."
    )
    answer_timeout_s: float = Field(
        30.0, gt=0, description="Seconds in which a client must read at least some of its answer."
    )
    keep_alive_s: int = Field(
        75,
        ge=1,
        description="Seconds for which an idle connection is kept: more than a proxy in front keeps it.",
    )
    max_streams: int = Field(
        1000, ge=1, description="Event streams and waiting requests that the gateway holds at once."
    )
    max_streams_per_tenant: int = Field(
        250, ge=1, description="Most of them of one tenant; fewer while other tenants have many."
    )
    max_form_bytes: int = Field(
        16 * 2**10, ge=1024, description="Most bytes of a form of the page without a file, such as the login."
    )
    body_memory_bytes: int = Field(
        256 * 2**20,
        ge=2**20,
        description="Memory for the bodies of requests that are being received, in all.",
    )
    spool_bytes: int = Field(
        4 * 2**30,
        ge=2**20,
        description="Room in the temporary folder for archives that are being received, in all.",
    )
