"""Settings of the processes that decode pictures."""

from pydantic import BaseModel, Field


class DecoderSettings(BaseModel):
    """Child processes that decode untrusted pictures."""

    decoders: int = Field(
        3,
        ge=1,
        le=64,
        description="Child processes of a gateway or worker that decode pictures, each of up to 1.3 GiB.",
    )
    client_decoders: int = Field(
        0,
        ge=0,
        le=64,
        description="The same of a client that is connected directly. 0: it decodes in its own process.",
    )
