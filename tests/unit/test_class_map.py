"""Classes of pixels: enlarged in parts, shown in colour, listed in COCO's terms."""

import numpy as np
import pytest
import torch
from brushwork_schemas.errors import ModelUnavailable
from brushwork_workers.families.segmentation.class_map import ClassMap, best_class, labels_of
from brushwork_workers.families.segmentation.coco_segments import segment, segments_of_classes, sorted_by_area
from PIL import Image
from pycocotools import mask as coco
from torch.nn import functional
from transformers import SegformerConfig

SQUARES = np.array([[0, 0, 1, 1], [0, 2, 2, 1]], dtype=np.uint8)


@pytest.mark.parametrize("num_classes", [1, 16, 17, 50])
def test_the_best_class_is_that_of_all_classes_at_once(num_classes: int) -> None:
    scores = torch.randn(num_classes, 9, 7, generator=torch.Generator().manual_seed(0))
    large = functional.interpolate(scores[None], size=(31, 20), mode="bilinear", align_corners=False)
    assert np.array_equal(best_class(scores, (31, 20)), large[0].argmax(0).numpy())


def test_of_equal_scores_the_first_class_is_taken() -> None:
    assert not best_class(torch.zeros(40, 2, 2), (4, 4)).any()


def test_a_background_is_black_and_not_laid_over_the_picture() -> None:
    picture = Image.new("RGB", (4, 2), "white")
    classes = ClassMap(SQUARES, ("__background__", "dog", "cat"))
    overlay = np.asarray(classes.overlay(picture))
    assert ((overlay == 255).all(-1) == (SQUARES == 0)).all()
    assert (np.asarray(classes.mask().convert("RGB"))[SQUARES == 0] == 0).all()


def test_without_a_background_each_class_has_a_colour() -> None:
    classes = ClassMap(SQUARES, ("wall", "dog", "cat"))
    colours = np.asarray(classes.mask().convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 3
    assert colours.any(-1).all()
    assert (np.asarray(classes.mask()) == SQUARES).all()


def test_areas_of_one_name_are_added_up() -> None:
    assert ClassMap(SQUARES, ("dog", "cat", "dog")).areas() == pytest.approx({"dog": 5 / 8, "cat": 3 / 8})


def test_classes_as_segments_without_the_background() -> None:
    found = sorted_by_area(segments_of_classes(ClassMap(SQUARES, ("background", "dog", "cat"))))
    assert [(each.label, each.area, each.bbox) for each in found] == [
        ("dog", 3, (2.0, 0.0, 2.0, 2.0)),
        ("cat", 2, (1.0, 1.0, 2.0, 1.0)),
    ]
    decoded = coco.decode({"size": found[1].segmentation.size, "counts": found[1].segmentation.counts})
    assert (decoded == (SQUARES == 2)).all()


def test_what_covers_no_pixel_is_not_listed() -> None:
    assert sorted_by_area([segment(np.zeros((3, 3), bool), 1)]) == ()


def test_more_classes_than_a_palette_has_room_for_are_refused() -> None:
    with pytest.raises(ModelUnavailable, match="300 classes"):
        labels_of(SegformerConfig(id2label={index: str(index) for index in range(300)}))
