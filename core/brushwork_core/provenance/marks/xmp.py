"""The XMP packet of a picture: how it came to be (IPTC), the software, China's label, and parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from brushwork_schemas.artifact import DigitalSource

from brushwork_core.provenance.facts import PictureFacts
from brushwork_core.provenance.marks import aigc

NAMESPACE = "urn:brushwork:xmp:1.0:"
# The name of China's label, also in files that hold texts by name.
AIGC = "AIGC"
_START = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
)
_NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "TC260": aigc.NAMESPACE,
    "brushwork": NAMESPACE,
}
_TAIL = '</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
# No XML document may hold these, not even as a reference.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


_LONGEST_LABEL = 2000


@dataclass(frozen=True)
class Stated:
    """What a packet says.

    Args:
        facts: Source and software, if the picture is labelled; else None.
        aigc: China's label as JSON, if the operator has an id.
        parameters: The parameters as JSON, if the file shall tell them.
    """

    facts: PictureFacts | None = None
    aigc: str | None = None
    parameters: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return self.facts is None and self.aigc is None and self.parameters is None


def packet(stated: Stated) -> bytes:
    """Return the XMP packet in UTF-8. Equal values give equal bytes."""
    properties: dict[str, str] = {}
    if stated.facts is not None:
        properties["xmp:CreatorTool"] = f"brushwork {stated.facts.software_version}"
        properties["Iptc4xmpExt:DigitalSourceType"] = stated.facts.source.uri
    if stated.aigc is not None:
        properties[f"TC260:{AIGC}"] = stated.aigc
    if stated.parameters is not None:
        properties["brushwork:Parameters"] = stated.parameters
    return _written(properties).encode()


def is_own_label(data: bytes) -> bool:
    """Return whether an XMP packet is a label as this program writes it, without parameters.

    It can hold nothing else: no place, no name, no text of a caller.
    """
    if len(data) > _LONGEST_LABEL:
        return False
    try:
        return _LABEL.fullmatch(data.decode()) is not None
    except UnicodeDecodeError:
        return False


def _written(properties: Mapping[str, str]) -> str:
    used = [prefix for prefix in _NAMESPACES if any(name.startswith(f"{prefix}:") for name in properties)]
    declared = "".join(f' xmlns:{prefix}="{_NAMESPACES[prefix]}"' for prefix in used)
    inside = "".join(f"<{name}>{_escaped(value)}</{name}>" for name, value in properties.items())
    return f"{_START}{declared}>{inside}{_TAIL}"


def _escaped(value: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", value))


def _own_label() -> re.Pattern[str]:
    """The form of a label, with what may differ between two labels in place of these words."""
    free = {
        "VERSION": "[0-9A-Za-z.+-]{0,40}",
        "SOURCE": "(?:" + "|".join(re.escape(source.uri) for source in DigitalSource) + ")",
        "PRODUCER": "[0-9A-Za-z]{1,64}",
        "PIXELS": "[0-9a-f]{64}",
    }
    label = {"xmp:CreatorTool": "brushwork VERSION", "Iptc4xmpExt:DigitalSourceType": "SOURCE"}
    forms = (label, {**label, "TC260:AIGC": aigc.aigc_label("PRODUCER", "PIXELS")})
    whole = "|".join(re.escape(_written(form)) for form in forms)
    for word, pattern in free.items():
        whole = whole.replace(word, pattern)
    return re.compile(whole)


_LABEL = _own_label()
