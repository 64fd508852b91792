"""The figures of maps on drawn pictures, in small; `python -m tests.explanation_maps` has them all."""

from tests.explanation_maps import correlation, drawn_pictures, figures, map_figures


def test_occlusion_finds_the_object_better_than_what_knows_nothing_of_the_network() -> None:
    found = figures(6, ("occlusion",))
    _, near, energy, deletion, insertion, empty = found["occlusion"].means
    _, blob_near, blob_energy, blob_deletion, blob_insertion, _ = found["blob"].means
    assert near >= 0.95 > blob_near
    assert energy >= 0.5 > blob_energy
    assert deletion < blob_deletion
    assert insertion > blob_insertion
    assert deletion < found["edges"].means[3]
    assert empty == 0
    related = found["occlusion"].correlations
    assert all(each is None or abs(each) <= 0.3 for each in related)


def test_a_map_of_the_object_alone_has_all_of_its_energy_there() -> None:
    (drawn,) = drawn_pictures(1)
    assert map_figures(drawn.mask.astype(float), drawn.mask) == (1, 1, 1)
    outside = (~drawn.mask).astype(float)
    assert map_figures(outside, drawn.mask)[2] == 0
    assert correlation(outside, drawn.mask.astype(float)) is not None
    assert correlation(outside, outside * 0) is None
