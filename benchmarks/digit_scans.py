"""The digits of scikit-learn, 1,797 scans of 8 x 8 pixels, as a training archive and test pictures."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

TEST_SHARE = 0.2
# Of scikit-learn's values.
BRIGHTEST = 16


@dataclass(frozen=True)
class DigitScans:
    """The scans, divided.

    Args:
        archive: A zip of class folders, of four fifths of them.
        tests: The other fifth: PNG files with the digit that each shows.
    """

    archive: bytes
    tests: tuple[tuple[bytes, str], ...]


def digit_scans(seed: int) -> DigitScans:
    """The scans, divided by `seed`: those to test with play no part in training."""
    scans = load_digits()
    order = np.random.default_rng(seed).permutation(len(scans.images))
    files = [(_png(scans.images[index]), str(scans.target[index])) for index in order]
    num_tests = round(TEST_SHARE * len(files))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, (data, digit) in enumerate(files[num_tests:]):
            archive.writestr(zipfile.ZipInfo(f"{digit}/{number:04d}.png"), data)
    return DigitScans(buffer.getvalue(), tuple(files[:num_tests]))


def _png(values: np.ndarray) -> bytes:
    grey = (values * (255 / BRIGHTEST)).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return buffer.getvalue()
