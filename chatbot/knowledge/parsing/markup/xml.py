"""XML as a tree: no entity is resolved, no DTD is loaded and nothing is fetched."""

from lxml import etree

from chatbot.knowledge.parsing.office.ooxml import Element


def parsed_xml(data: bytes) -> Element:
    """The root element. Raises etree.XMLSyntaxError; the parser allows 256 levels of elements."""
    # Ids are not collected: a document that has one of them twice is whole for all that.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, collect_ids=False)
    return etree.fromstring(data, parser)
