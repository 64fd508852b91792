"""The name of a picture's pixels, which is the same in every lossless format."""

import hashlib

from PIL import Image


def pixels_sha256(picture: Image.Image) -> str:
    """Return the SHA-256 of the pixels of a picture, independent of its file.

    It is that of the text `RGB <width>x<height>` and a line feed, followed by the rows from the top, three
    bytes for each pixel. A picture with transparency has `RGBA` and four bytes.
    """
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    plain = picture if picture.mode == mode else picture.convert(mode)
    digest = hashlib.sha256(f"{mode} {plain.width}x{plain.height}\n".encode())
    digest.update(plain.tobytes())
    return digest.hexdigest()
