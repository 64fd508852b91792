"""One module for each kind of job, and the loaders by the kind's name."""

from brushwork_workers.kinds.image_classification import ImageClassification
from brushwork_workers.kinds.image_segmentation import ImageSegmentation
from brushwork_workers.kinds.image_to_text import ImageToText
from brushwork_workers.kinds.text_to_image import TextToImage
from brushwork_workers.served import Loader

LOADERS: dict[str, Loader] = {
    "text-to-image": TextToImage,
    "image-to-text": ImageToText,
    "image-classification": ImageClassification,
    "image-segmentation": ImageSegmentation,
}
