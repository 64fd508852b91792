"""Reads the properties of an XMP packet. No packet needs a document type, so one that has it is refused."""

from collections.abc import Mapping
from xml.parsers import expat

MOST_BYTES = 2**20
MOST_DEPTH = 64
MOST_ELEMENTS = 20_000
LONGEST_VALUE = 100_000
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"
_SEPARATOR = " "
# A property may have several values.
Properties = Mapping[tuple[str, str], list[str]]


class UnreadableXmp(Exception):
    """The packet is not well-formed, or exceeds a limit."""


def properties(packet: bytes) -> Properties:
    """Return the values of each property, by namespace and name.

    Attributes, resources, lists and the fields of structures count alike: XMP allows each in several forms.

    Args:
        packet: The packet, in UTF-8 or UTF-16.

    Raises:
        UnreadableXmp: The packet is not well-formed, has a document type (which could expand entities), or
            exceeds a limit.
    """
    if len(packet) > MOST_BYTES:
        raise UnreadableXmp(f"the XMP packet has more than {MOST_BYTES} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(packet.strip(b"\x00 \t\r\n"), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise UnreadableXmp(f"the XMP packet is not well-formed: {error}") from error
    return reader.found


class _Reader:
    """Collects values while the parser reads."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[str]] = {}
        self._open: list[tuple[str, str]] = []
        self._texts: list[str] = []
        self._num_elements = 0
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse(self, *_: object) -> None:
        raise UnreadableXmp("the XMP packet has a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._num_elements += 1
        if len(self._open) >= MOST_DEPTH or self._num_elements > MOST_ELEMENTS:
            raise UnreadableXmp("the XMP packet has too many elements")
        self._open.append(_name(name))
        self._texts.append("")
        for key, value in attributes.items():
            space, local = _name(key)
            if (space, local) == (RDF, "resource"):
                self._keep(value)
            elif space not in ("", RDF, _XML):
                self.found.setdefault((space, local), []).append(value[:LONGEST_VALUE])

    def _text(self, text: str) -> None:
        if self._texts and len(self._texts[-1]) < LONGEST_VALUE:
            self._texts[-1] += text[:LONGEST_VALUE]

    def _end(self, _: str) -> None:
        if text := self._texts.pop().strip():
            self._keep(text)
        self._open.pop()

    def _keep(self, value: str) -> None:
        """Keep a value for the property that it belongs to: the innermost element that is not RDF's own."""
        owner = next((name for name in reversed(self._open) if name[0] != RDF), None)
        if owner is not None:
            self.found.setdefault(owner, []).append(value[:LONGEST_VALUE])


def _name(qualified: str) -> tuple[str, str]:
    space, _, local = qualified.rpartition(_SEPARATOR)
    return space, local
