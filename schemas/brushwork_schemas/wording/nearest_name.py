"""The known name that is nearest to a wrong one: by synonyms of other tools, then by spelling."""

import difflib
import re
from collections.abc import Iterable, Mapping

# What users of diffusers, transformers, AUTOMATIC1111 and ComfyUI call the fields, without underscores.
# The first name that is known counts.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    name: tuple(fields.split())
    for names, fields in {
        "text caption positive positiveprompt query input inputs": "prompt text",
        "negative neg negativeprompts negprompt uc unconditionalprompt": "negative_prompt",
        "steps step samplingsteps ddimsteps numsteps inferencesteps iterations": "num_inference_steps",
        "cfg cfgscale guidance scale guidancescalefactor promptguidance": "guidance_scale",
        "sampler samplername samplerindex sched schedulername": "scheduler",
        "n num count numimages images niter numoutputs numsamples samples": "num_images_per_prompt",
        "batch batchsize bs": "num_images_per_prompt per_device_train_batch_size",
        "w imagewidth": "width",
        "h imageheight": "height",
        "size resolution": "width image_size",
        "noiseseed randomseed rng generator": "seed",
        "initimage inputimage sourceimage init img picture photo imageurl imagepath file url": "image images",
        "inputimages initimages sourceimages referenceimages pictures photos imgs": "images image",
        "instruction instructions editprompt": "prompt",
        "imgguidancescale imagecfg imagecfgscale": "image_guidance_scale",
        "mask maskimg inpaintmask maskurl": "mask_image",
        "denoise denoising denoisingstrength imagestrength promptstrength": "strength",
        "lora adapter adapters loraname": "loras",
        "controlnetmodel control": "controlnet",
        "controlimg controlnetimage conditioningimage hint": "control_image",
        "controlscale controlnetscale controlnetstrength controlweight": "controlnet_conditioning_scale",
        "clip clipstopatlastlayers clipstop": "clip_skip",
        "accelerate speed speedup skip skipsteps stepskipping teacache": "acceleration",
        "checkpoint ckpt modelid modelname sdmodelcheckpoint": "model",
        "classes labels candidates": "candidate_labels",
        "k topk numlabels": "top_k",
        "data archive zip trainingdata datasetname": "dataset",
        "epochs numepochs trainepochs": "num_train_epochs",
        "lr": "learning_rate",
        "trainbatchsize": "per_device_train_batch_size",
        "patience earlystopping": "early_stopping_patience",
        "imgsize inputsize": "image_size",
        "maxlength maxtokens maxnewtoken numtokens": "max_new_tokens",
        "beams": "num_beams",
        "lang locale": "language",
        "timeout deadline expires": "deadline_s",
        "webhook callback callbackurl": "webhook_url",
        "retention ttl": "retention_s",
        "idempotency requestid": "idempotency_key",
        "tag tags collection": "group",
        "user owner account": "tenant",
        "提示词 描述 图片描述 正向提示词 文本": "prompt",
        "反向提示词 负面提示词 负向提示词 反向词": "negative_prompt",
        "步数 迭代步数 采样步数 推理步数": "num_inference_steps",
        "引导系数 提示词引导系数 引导 提示词相关性": "guidance_scale",
        "采样器 采样方法 调度器": "scheduler",
        "加速 加速度 跳步": "acceleration",
        "张数 数量 图片数量 生成数量 批次": "num_images_per_prompt",
        "宽 宽度": "width",
        "高 高度": "height",
        "尺寸 分辨率 大小": "width",
        "种子 随机种子": "seed",
        "图片 图像 原图 输入图片": "image images",
        "指令 编辑指令": "prompt",
        "蒙版 遮罩 掩码": "mask_image",
        "重绘幅度 强度 降噪强度 重绘强度": "strength",
        "模型": "model",
        "数据集 压缩包": "dataset",
        "学习率": "learning_rate",
        "轮数 训练轮数": "num_train_epochs",
        "早停轮数": "early_stopping_patience",
        "优先级": "priority",
        "租户": "tenant",
        "期限": "deadline_s",
        "语言": "language",
        "标签 候选标签": "candidate_labels",
        "阈值 置信度": "threshold",
    }.items()
    for name in names.split()
}
"""Names of fields that a name may stand for, by the name in lower case without separators."""


def nearest_name(name: str, known: Iterable[str], labels: Mapping[str, str] | None = None) -> str | None:
    """Return the known name that a wrong name most likely stands for, or None.

    Args:
        name: The wrong name.
        known: The known names.
        labels: Known names by their labels, such as `迭代步数`.
    """
    names = {_plain(each): each for each in reversed(list(known))}
    plain = _plain(name)
    if plain in names:
        return names[plain]
    meant = (labels or {}).get(name.strip())
    if meant in names.values():
        return meant
    for each in SYNONYMS.get(plain, ()):
        if _plain(each) in names:
            return names[_plain(each)]
    close = difflib.get_close_matches(plain, names, n=1)
    return names[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).lower()
