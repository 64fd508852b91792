"""Poses of people with VitPose of transformers (Xu et al., 2022), drawn as ControlNets expect them."""

from dataclasses import replace
from typing import Any

from brushwork_schemas.kinds.image_preprocessing import ImagePreprocessingRequest
from PIL import Image
from transformers import AutoImageProcessor, VitPoseForPoseEstimation
from transformers.models.vitpose.modeling_vitpose import VitPoseEstimatorOutput

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.preprocessing.skeleton import Keypoint, skeleton_picture
from brushwork_workers.families.pretrained import pretrained
from brushwork_workers.families.segmentation.heads import OutputHeads
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

# Less certain points are not drawn, as in the pictures that ControlNets for poses were trained with.
_LOWEST_SCORE = 0.3


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image preprocessing."""
    network = pretrained(VitPoseForPoseEstimation, spec)
    return LoadedModules({"image-preprocessing": PoseEstimation(spec, network)}, [network])


class PoseEstimation:
    """Handles image preprocessing with a pose estimator of transformers.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._spec = spec
        self._processor = AutoImageProcessor.from_pretrained(
            spec.folder, local_files_only=True, trust_remote_code=False
        )
        size = self._processor.size
        options = replace(spec.options, part="network", pixels_per_row=size["width"] * size["height"])
        self._network = ModuleProxy(OutputHeads(network, "heatmaps"), spec.model_executor, options)

    def warm_up(self) -> None:
        """Estimate the pose in a black picture."""
        self.people(Image.new("RGB", (64, 64)), [(0.0, 0.0, 64.0, 64.0)])

    def perform(self, request: ImagePreprocessingRequest, context: JobContext) -> dict[str, Any]:
        """Estimate and draw the poses in one picture."""
        picture = context.picture(request.image)
        given = [
            (box.x_min, box.y_min, box.x_max - box.x_min, box.y_max - box.y_min) for box in request.boxes
        ]
        whole = (0.0, 0.0, float(picture.width), float(picture.height))
        people = self.people(picture, given or [whole])
        return {"image": context.save_picture(skeleton_picture(picture.size, people), source=None)}

    def people(
        self, picture: Image.Image, boxes: list[tuple[float, float, float, float]]
    ) -> list[list[Keypoint | None]]:
        """Return the points of each person, in the order of COCO; None for a point that is not sure enough.

        Args:
            picture: The picture.
            boxes: Left, top, width and height of each person, in pixels.
        """
        processed = self._processor(picture, boxes=[[list(box) for box in boxes]], return_tensors="pt")
        (heatmaps,) = self._network(**processed.to(self._spec.device, self._spec.dtype))
        heatmaps = heatmaps.float().cpu()
        module = self._network._module
        check_finite(heatmaps, model=self._spec.model.name, part="pose network", module=module)
        output = VitPoseEstimatorOutput(heatmaps=heatmaps)
        found = self._processor.post_process_pose_estimation(output, boxes=[[list(box) for box in boxes]])
        return [
            [
                (float(x), float(y)) if score >= _LOWEST_SCORE else None
                for (x, y), score in zip(person["keypoints"], person["scores"], strict=True)
            ]
            for person in found[0]
        ]
