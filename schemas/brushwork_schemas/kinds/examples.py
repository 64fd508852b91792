"""Inputs of example requests: pictures small enough to read, and complete."""

# 8 x 8 pixels, red.
RED_PICTURE = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP8z4AdMDEMKQkAzUEBD7t4NqoAAAAASUVORK5CYII="
)
# 8 x 8 pixels, white.
WHITE_PICTURE = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR4nGP8//8/AzbAhFV00EoAAFbUAw037MyjAAAAAElFTkSuQmCC"
)
# Name of an archive that was uploaded before.
UPLOADED_ARCHIVE = "8dcc7e601606217f3b754766511182a916b17e9a26a94c9d887104eba92e9bb2"
