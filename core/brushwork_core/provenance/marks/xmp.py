"""The XMP packet of a picture: how it came to be (IPTC), the software, China's label, and parameters."""

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from brushwork_core.provenance.facts import PictureFacts
from brushwork_core.provenance.marks import aigc

NAMESPACE = "urn:brushwork:xmp:1.0:"
_HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' xmlns:TC260="{aigc.NAMESPACE}"'
    f' xmlns:brushwork="{NAMESPACE}">'
)
_TAIL = '</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
# No XML document may hold these, not even as a reference.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


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
    properties: list[tuple[str, str]] = []
    if stated.facts is not None:
        properties.append(("xmp:CreatorTool", f"brushwork {stated.facts.software_version}"))
        properties.append(("Iptc4xmpExt:DigitalSourceType", stated.facts.source.uri))
    if stated.aigc is not None:
        properties.append(("TC260:AIGC", stated.aigc))
    if stated.parameters is not None:
        properties.append(("brushwork:Parameters", stated.parameters))
    inside = "".join(f"<{name}>{_escaped(value)}</{name}>" for name, value in properties)
    return f"{_HEAD}{inside}{_TAIL}".encode()


def _escaped(value: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", value))
