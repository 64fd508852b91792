"""Rules that turn the words of people into the words of the grammar: a normalizer for the tokenizer.

All rules are `Replace` rules of the tokenizers library, so `tokenizer.json` holds them, and any program that
loads the model applies them. They run in the order of this module: characters, synonyms, then the order of
words. A rule that moves a word inserts it at its new place (a pattern without width) and removes it from the
old one. No rule changes a prompt of the grammar, except that `an` becomes `a`.

A word that no rule knows stays as it is and becomes the unknown token. So does a combination of known words
that the pocket world cannot show, such as a green background.
"""

from collections.abc import Iterable, Iterator

from tokenizers import Regex, normalizers

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import CHINESE

Rule = tuple[str, str]
"""A regular expression of Oniguruma, and its replacement."""

_COLOURS = tuple(world.COLOURS)
_GROUNDS = tuple(world.BACKGROUNDS)
_SHAPE = "(?:" + "|".join(world.SHAPES) + ")"
_COLOUR = "(?:" + "|".join(_COLOURS) + ")"
_GROUND = "(?:" + "|".join(_GROUNDS) + ")"
_SIZE = "(?:" + "|".join(world.SIZES) + ")"

_ENGLISH_WORDS = {
    "small": ("tiny", "little", "mini", "miniature", "minuscule", "wee"),
    "large": ("big", "huge", "giant", "gigantic", "enormous", "massive", "great"),
    "red": ("crimson", "scarlet", "ruby"),
    "green": ("emerald", "lime"),
    "blue": ("navy", "cobalt"),
    "yellow": ("gold", "golden"),
    "orange": ("tangerine", "amber"),
    "purple": ("violet", "lilac", "lavender"),
    "cyan": ("turquoise", "aqua", "teal"),
    "pink": ("magenta", "fuchsia", "rose"),
    "gray": ("grey",),
    "beige": ("cream", "ivory"),
    "circle": ("disc", "disk", "roundel"),
    "square": ("box", "quadrate"),
    "diamond": ("rhombus", "lozenge"),
    "cross": ("plus sign", "plus"),
    "ring": ("donut", "doughnut", "annulus", "hoop"),
    "star": ("five-pointed star", "5-pointed star", "pentagram"),
    "center": ("centre", "middle", "mid"),
}
_ENGLISH_PLACES = (
    (r"(?: side)? of the (?:picture|image|canvas|frame|page|scene)\b", ""),
    (r"\b(?:on|at|to|in) the left of (?=an? )|(?<!the )\bleft of (?=an? )", "to the left of "),
    (r"\b(?:on|at|to|in) the right of (?=an? )|(?<!the )\bright of (?=an? )", "to the right of "),
    (r"\b(?:on top of|over|atop) (?=an? )", "above "),
    (r"\b(?:under|beneath|underneath) (?=an? )", "below "),
    (r"\b(?:at|to|in) (?:the )?left\b(?! of)|\bon left\b", "on the left"),
    (r"\b(?:at|to|in) (?:the )?right\b(?! of)|\bon right\b", "on the right"),
    (r"\b(?:on|in) (?:the )?top\b|\bat top\b", "at the top"),
    (r"\b(?:on|in) (?:the )?bottom\b|\bat bottom\b", "at the bottom"),
    (r"\b(?:at|on) (?:the )?center\b|\bin center\b|\bcentered\b", "in the center"),
)

_TRADITIONAL = dict(
    zip("紅藍綠黃圓環愛顆個張邊側間裡畫請圖條塊隻", "红蓝绿黄圆环爱颗个张边侧间里画请图条块只", strict=True)
)
_CHINESE_COLOUR = "(?:" + "|".join(CHINESE[name] for name in _COLOURS) + ")"
_CHINESE_GROUND = "(?:" + "|".join(CHINESE[name] for name in _GROUNDS) + ")"
_CHINESE_SHAPE = "(?:" + "|".join(CHINESE[name] for name in world.SHAPES) + ")"
# What stands before a colour or shape of one character.
_SHAPE_START = "[圆方正三星心爱菱十环五]"
_CHINESE_WORDS = (
    ("粉红色|粉红|桃红色|玫红色|玫瑰色", "粉色"),
    ("橘黄色|橘红色|橘色|桔色|橙黄色", "橙色"),
    ("天蓝色|青蓝色|蓝绿色|湖蓝色|青绿色", "青色"),
    ("深红色|鲜红色|朱红色|绯红色|暗红色", "红色"),
    ("米白色|米黄色|奶油色", "米色"),
    ("金黄色|金色", "黄色"),
    ("紫罗兰色|紫红色|淡紫色", "紫色"),
    ("深蓝色|海蓝色|宝蓝色", "蓝色"),
    ("翠绿色|草绿色|深绿色", "绿色"),
    ("圆圈|圆点|圆盘|圆(?![形环])", "圆形"),
    ("圆环形?|环(?!形)|圈(?=$|[,。的在])", "环形"),
    ("四方形|方块|方框|(?<!正)方形|正方(?!形)|正方体", "正方形"),
    ("三角(?!形)", "三角形"),
    ("五角星形?|星星|星(?!形)", "星形"),
    ("爱心形?|心(?=$|[,。的在左右上下])", "心形"),
    ("菱(?!形)", "菱形"),
    ("十字架|十字形|加号", "十字"),
)
_CHINESE_PLACES = (
    ("正?中央|正?中心|正中间?|(?<=[的上])中(?=的)", "中间"),
    ("左侧|左面|左方|左手边", "左边"),
    ("右侧|右面|右方|右手边", "右边"),
    ("上面|上边|上侧|顶部|上端|上部", "上方"),
    ("下面|下边|下侧|底部|下端|下部", "下方"),
)


def normalizer() -> normalizers.Normalizer:
    """Return the normalizer of the text encoder's tokenizer: NFKC, lower case, then all rules."""
    replace = [normalizers.Replace(Regex(pattern), content) for pattern, content in rules()]
    return normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), *replace])


def rules() -> Iterator[Rule]:
    """Yield all rules in their order."""
    yield r"\s+", " "
    yield r"^ | $|[ .。!]+$", ""
    yield from _english()
    yield from _chinese()


def _english() -> Iterator[Rule]:
    yield r"[- ]colou?red\b", ""
    yield r",? ?\bplease\b,? ?", ""
    yield r"^(?:draw|paint|make|create|generate|show)(?: me| us)? ", ""
    yield r"^(?:a |an |the )?(?:picture|image|photo|photograph|drawing|painting) of ", ""
    for word, synonyms in _ENGLISH_WORDS.items():
        longest_first = "|".join(sorted(synonyms, key=len, reverse=True))
        yield rf"\b(?:{longest_first})\b", word
    yield r"\bdark(?= background\b)", "black"
    yield r"\ban\b", "a"
    yield rf"\b(?:one|the)\b(?= (?:{_SIZE}|{_COLOUR}|{_SHAPE})\b)", "a"
    yield rf"(?<=small|large), ?(?={_COLOUR})", " "
    yield rf"\bround (?={_COLOUR} shape)", ""
    yield rf"(?<={'|'.join(_COLOURS)}) shape\b", " circle"
    yield rf"(?<!small )(?<!large )(?={_COLOUR} dot\b)", "small "
    yield r"\bdot\b", "circle"
    yield from _english_order()
    yield from _english_grounds()
    yield from _english_places()
    yield rf"^(?=(?:{_SIZE} )?(?:{_COLOUR} )?{_SHAPE}\b)", "a "
    yield from _english_never_shown()
    yield rf"(?<=above |below )(?={_COLOUR}|{_SHAPE})|(?<=left of |right of )(?={_COLOUR}|{_SHAPE})", "a "


def _english_order() -> Iterator[Rule]:
    """A colour after the shape: `a circle, red`, `a heart that is red`, `a ring in blue`."""
    for colour in _COLOURS:
        after = rf"(?:,| in| that is| which is) {colour}\b(?! {_SHAPE})"
        yield rf"\b(?={_SHAPE}{after})", f"{colour} "
        yield rf"(?<={'|'.join(world.SHAPES)}){after}", ""


def _english_grounds() -> Iterator[Rule]:
    yield rf"(?:,| with| against| in front of| over| before)(?: an?)?(?= {_GROUND} background)", " on a"
    yield rf"\bon (?={_GROUND}(?: background)?$)", "on a "
    for ground in _GROUNDS:
        yield rf"(?<=on a ){ground}$", f"{ground} background"


def _english_never_shown() -> Iterator[Rule]:
    """What no picture of the world shows, out of known words: it becomes one unknown word.

    A letter or nothing is inserted, and no word is replaced, so that the places of tokens in the prompt stay.
    """
    for colour in _COLOURS:
        yield rf"(?<=\b{colour}) (?=background\b)", ""
    for ground in _GROUNDS:
        yield rf"(?<=\b{ground})(?= {_SHAPE}\b)", "x"
    for size in world.SIZES:
        # Two objects have the sizes of the world.
        yield rf"(?<=\b{size})(?= (?:{_COLOUR} )?{_SHAPE} (?:above|below|to the))", "x"
        yield rf"(?<=above a {size}|below a {size}|left of a {size}|right of a {size})\b", "x"


def _english_places() -> Iterator[Rule]:
    for place in ("left", "right", "top", "bottom", "center"):
        yield rf"\b(?:on|at|in|to) (?:the )?{place}(?:[- ]hand)? side\b", f"on the {place}"
    yield from _ENGLISH_PLACES


def _chinese() -> Iterator[Rule]:
    yield from _TRADITIONAL.items()
    yield r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])", ""
    yield "^(?:请|帮我|给我|帮忙)*(?:画|绘制|生成|制作)(?:出|一下)?|^请", ""
    yield "的(?:图片|图像|图画|图|画)$", ""
    yield "^一(?:张|幅)", ""
    yield "[一1](?:个|颗|只|块|片|枚|粒|朵)", ""
    yield from _CHINESE_WORDS
    for name in (*_COLOURS, *_GROUNDS):
        short = CHINESE[name].removesuffix("色")
        yield f"{short}(?=的?{_SHAPE_START}|底|背景)", CHINESE[name]
    yield "小小的|微小的|很小的|小型的?|小的", "小"
    yield "很大的|巨大的|大大的|大型的?|大的", "大"
    yield "色的", "色"
    yield from _chinese_grounds()
    yield from _CHINESE_PLACES
    yield "(?<=[上边方间])有", "的"
    yield from _chinese_order()


def _chinese_grounds() -> Iterator[Rule]:
    yield rf"(?<={_alternatives(_GROUNDS)})底(?:色|面|子)?(?=[上的,])", "背景"
    yield "背景(?:之上|上面|里|中(?!央|间|心)|下(?![方面边]))", "背景上"
    yield "背景(?=正?中|[左右]|[上下][方面边])", "背景上"
    yield "背景,(?=.*在)", "背景上,"
    yield "背景的", "背景上的"
    yield rf"背景(?:上)?,(?=.*{_CHINESE_SHAPE})(?!.*在)", "背景上的"
    for name in _GROUNDS:
        end = f",{CHINESE[name]}背景$"
        yield f"^(?=.*在.*{end})", f"{CHINESE[name]}背景上,"
        yield f"^(?={_CHINESE_COLOUR}.*{end}|[大小].*{end})", f"{CHINESE[name]}背景上的"
        yield end, ""
    # As in English, what no picture shows becomes an unknown word.
    for name in _COLOURS:
        first = CHINESE[name].removesuffix("色")
        yield f"(?<={first}色背)(?=景)", "異"
        yield f"(?<={first})(?=色背異景)", "異"
    for name in _GROUNDS:
        yield f"(?<={CHINESE[name].removesuffix('色')})(?=色{_CHINESE_SHAPE})", "異"


def _chinese_order() -> Iterator[Rule]:
    yield "位于|处于|就在", "在"
    yield "(?<=[形字])(?=左边|右边|上方|下方)", "的"
    for name in _COLOURS:
        colour = CHINESE[name]
        for size in "小大":
            yield f"(?={colour}{size})", size
            yield f"(?<={size}{colour}){size}", ""
        yield f"(?={_CHINESE_SHAPE},{colour}$)", colour
        yield f"(?<=[形字]),{colour}$", ""


def _alternatives(names: Iterable[str]) -> str:
    return "|".join(CHINESE[name] for name in names)
