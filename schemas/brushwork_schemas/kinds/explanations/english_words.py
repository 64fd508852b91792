"""English words that name nothing one can see, and what a word can be exchanged for."""

FUNCTION_WORDS = frozenset(
    """
    a an the this that these those each every either neither both all any some another other such same own
    of on in at by to from with without within into onto upon over under above below beneath underneath
    between among behind beside besides beyond before after during through throughout across along around
    against about near off out up down per via versus toward towards inside outside amid atop like unlike
    as
    than until till since
    and or but nor so yet if then while when where whereas because although though unless whether
    i me my mine we us our ours you your yours he him his she her hers it its they them their theirs who
    whom
    whose which what there here someone something anyone anything everyone everything nothing itself
    himself
    herself themselves
    is are was were be been being am do does did done doing has have had having can could will would shall
    should may might must isn't aren't wasn't weren't don't doesn't didn't it's there's that's let's
    not no very too quite rather really just only also even more most less least much many few several
    lots lot
    again still already almost always never one please
    color colors colour colours colored coloured picture pictures image images
    """.split()  # noqa: SIM905 - a list is four times as long
)

# The first word of an instruction, such as "make it blue".
INSTRUCTIONS = frozenset(
    """
    make add remove delete replace turn change move put create generate draw render convert transform
    recolor
    recolour insert erase swap
    """.split()  # noqa: SIM905 - a list is four times as long
)
# These are also nouns or adjectives. They begin an instruction only before a word of `AFTER_INSTRUCTION`.
UNCLEAR_INSTRUCTIONS = frozenset(
    ["paint", "color", "colour", "place", "show", "set", "keep", "give", "let", "edit", "shift", "apply"]
)
AFTER_INSTRUCTION = frozenset(
    [
        "it",
        "the",
        "a",
        "an",
        "this",
        "that",
        "these",
        "those",
        "his",
        "her",
        "its",
        "their",
        "my",
        "me",
        "us",
        "all",
        "every",
        "some",
        "him",
        "them",
    ]
)

# Words of one concept, the usual one first. A word is exchanged for the usual word of another concept.
COLOURS = (
    "red crimson scarlet ruby maroon reddish",
    "orange tangerine amber",
    "yellow gold golden blond blonde yellowish",
    "green emerald lime olive greenish",
    "cyan turquoise aqua teal",
    "blue navy cobalt azure indigo bluish",
    "purple violet lilac lavender",
    "pink magenta fuchsia rose",
    "brown bronze copper chestnut",
)
NEUTRAL_COLOURS = ("white", "black", "gray grey silver", "beige cream ivory")
SHAPES = (
    "circle disc disk",
    "square box",
    "triangle",
    "star",
    "heart",
    "diamond rhombus",
    "cross",
    "ring",
    "rectangle",
    "hexagon",
    "oval ellipse",
    "cube",
    "sphere ball",
    "cone",
    "pyramid",
    "cylinder",
)
OPPOSITES = (
    ("small tiny little mini miniature", "large big huge giant gigantic enormous massive"),
    ("left", "right"),
    ("top upper", "bottom lower"),
    ("above", "below under beneath underneath"),
    ("dark", "bright"),
    ("day daytime", "night nighttime"),
    ("sunrise dawn", "night"),
    ("sunset dusk", "noon"),
    ("young", "old elderly"),
    ("happy smiling cheerful", "sad crying"),
    ("tall", "short"),
    ("thin slim", "thick"),
    ("wet", "dry"),
    ("empty", "full"),
    ("round circular", "square-shaped"),
    ("man", "woman"),
    ("boy", "girl"),
    ("modern new", "ancient"),
    ("smooth", "rough"),
)
OTHERS = (
    ("spring", "autumn fall", "summer", "winter"),
    ("sunny", "rainy", "snowy", "cloudy", "foggy", "stormy"),
    ("wooden", "metal metallic", "glass", "stone", "plastic", "paper"),
    ("cat kitten", "dog puppy", "horse pony", "rabbit bunny", "bird", "fox", "bear", "lion", "tiger", "cow"),
    ("car", "bus", "truck", "bicycle bike", "boat ship"),
    ("apple", "pear", "banana", "lemon", "strawberry", "cherry"),
    ("tree", "bush", "flower"),
    ("mountain", "hill", "lake", "forest", "desert", "beach", "sea ocean"),
    ("photo photograph", "painting", "drawing sketch", "watercolor watercolour", "cartoon"),
    ("center centre middle", "left"),
)
