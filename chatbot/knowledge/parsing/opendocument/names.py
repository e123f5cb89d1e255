"""The namespaces of OpenDocument, as lxml writes them before a name."""

from typing import Final

_OASIS: Final = "{urn:oasis:names:tc:opendocument:xmlns:"
OFFICE: Final = _OASIS + "office:1.0}"
STYLE: Final = _OASIS + "style:1.0}"
TEXT: Final = _OASIS + "text:1.0}"
TABLE: Final = _OASIS + "table:1.0}"
DRAW: Final = _OASIS + "drawing:1.0}"
FORMAT: Final = _OASIS + "xsl-fo-compatible:1.0}"
NUMBER: Final = _OASIS + "datastyle:1.0}"
CHART: Final = _OASIS + "chart:1.0}"
PRESENTATION: Final = _OASIS + "presentation:1.0}"
XLINK: Final = "{http://www.w3.org/1999/xlink}"
XML_ID: Final = "{http://www.w3.org/XML/1998/namespace}id"
LIBREOFFICE: Final = "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}"
FIELD: Final = "{urn:openoffice:names:experimental:ooo-ms-interop:xmlns:field:1.0}"
CALC: Final = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
