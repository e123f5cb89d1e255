"""The knowledge package on the wire."""

from __future__ import annotations

import marshmallow as ma

from chatbot.knowledge.documents.filters import WRITTEN
from chatbot.knowledge.documents.queue_status import Described
from chatbot.knowledge.models import DEFAULT_COLLECTION, Document
from chatbot.knowledge.warning_schema import WARNINGS, WarningSchema
from chatbot.web.fields import PageArgs, StrictBool, StrictFloat, StrictInt, UtcDateTime, text

# As many as the column holds.
NUMBER = ma.validate.Range(min=1, max=2**31 - 1)
STATUSES = ("queued", "processing", "ready", "failed", "deleted")
DOCUMENT_TYPE = {"description": "What kind of text it is, in your own words.", "example": "FAQ"}


class DocumentInSchema(ma.Schema):
    """A document as JSON."""

    title = text(1, 200, required=True, metadata={"example": "Opening hours"})
    content = ma.fields.String(
        required=True,
        validate=ma.validate.Length(min=1),
        metadata={"example": "The shop is open from 9 to 17 o'clock, Monday to Friday."},
    )
    source = text(0, 500, load_default="", metadata={"example": "https://example.com/hours"})
    document_type = text(1, 50, load_default="article", metadata=DOCUMENT_TYPE)
    is_active = StrictBool(load_default=True, metadata={"description": "Whether it may be used in answers."})
    collection = text(1, 100, load_default=DEFAULT_COLLECTION, metadata={"example": DEFAULT_COLLECTION})
    metadata = ma.fields.Dict(keys=ma.fields.String(), load_default=dict, metadata={"example": {"team": "support"}})


class DocumentChangesSchema(ma.Schema):
    """What changes. A field that is left out stays as it is; `metadata` replaces the whole object."""

    title = text(1, 200, metadata={"example": "Opening hours"})
    source = text(0, 500, metadata={"example": "https://example.com/hours"})
    document_type = text(1, 50, metadata=DOCUMENT_TYPE)
    is_active = StrictBool(metadata={"description": "Whether it may be used in answers.", "example": True})
    collection = text(1, 100, metadata={"description": "Where it goes.", "example": DEFAULT_COLLECTION})
    metadata = ma.fields.Dict(keys=ma.fields.String(), metadata={"example": {"team": "support"}})


class ContentSchema(ma.Schema):
    """A document's next content as JSON."""

    content = ma.fields.String(
        required=True,
        validate=ma.validate.Length(min=1),
        metadata={"example": "The shop is open from 10 to 18 o'clock, Monday to Friday."},
    )


class ContentFormSchema(ma.Schema):
    """Nothing comes beside the file of a document's next content."""


class UrlInSchema(ma.Schema):
    """A document to be fetched."""

    url = text(
        1,
        2000,
        required=True,
        metadata={
            "description": "http or https. Without a `title` the page's own is taken.",
            "example": "https://example.com/hours.html",
        },
    )
    # A function, which the OpenAPI document does not show: no title is another one than an empty one.
    title = text(1, 200, load_default=str)
    document_type = text(1, 50, load_default="article", metadata=DOCUMENT_TYPE)
    is_active = StrictBool(load_default=True, metadata={"description": "Whether it may be used in answers."})
    collection = text(1, 100, load_default=DEFAULT_COLLECTION, metadata={"example": DEFAULT_COLLECTION})
    metadata = ma.fields.Dict(keys=ma.fields.String(), load_default=dict, metadata={"example": {"team": "support"}})


class FileFormSchema(ma.Schema):
    """What may come beside a file."""

    title = text(1, 200)
    source = text(0, 500)
    document_type = text(1, 50, load_default="article", metadata=DOCUMENT_TYPE)
    collection = text(1, 100, load_default=DEFAULT_COLLECTION)
    # Python's clients write their own True.
    is_active = ma.fields.Boolean(load_default=True, truthy={"true", "True"}, falsy={"false", "False"})
    metadata = ma.fields.String(load_default="{}", metadata={"description": "A JSON object."})


class WaitArgs(ma.Schema):
    """How long to wait."""

    wait = StrictFloat(
        load_default=0.0,
        validate=ma.validate.Range(min=0, max=30),
        metadata={"description": "Seconds to wait for the document to be ready; the status tells whether it is."},
    )


class AddArgs(WaitArgs):
    """How to add."""

    dry_run = ma.fields.String(
        load_default="0",
        validate=ma.validate.OneOf(["0", "1", "true", "false"]),
        metadata={"description": "With `1` nothing is stored; the answer tells what would be.", "example": "0"},
    )


class NearDuplicateSchema(ma.Schema):
    """A document that says nearly the same."""

    document_id = ma.fields.String(metadata={"example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"})
    title = ma.fields.String(metadata={"example": "Opening hours"})
    similarity = ma.fields.Float(
        metadata={"description": "About how much of the wording is the same, 0 to 1.", "example": 0.97}
    )


class PreviewSchema(ma.Schema):
    """What would become of a document. Nothing was stored."""

    encoding = ma.fields.String(
        allow_none=True, metadata={"description": "Of a text file; null for others.", "example": "utf-8"}
    )
    language = ma.fields.String(
        allow_none=True, metadata={"description": "An ISO 639-1 code; null where it cannot be told.", "example": "en"}
    )
    media_type = ma.fields.String(metadata={"example": "application/pdf"})
    title = ma.fields.String(metadata={"example": "The handbook"})
    pages = ma.fields.Integer(allow_none=True, metadata={"description": "null without pages.", "example": 12})
    pages_without_text = ma.fields.Integer(
        allow_none=True, metadata={"description": "Scanned pages, perhaps; null without pages.", "example": 0}
    )
    characters = ma.fields.Integer(metadata={"example": 31200})
    chunk_count = ma.fields.Integer(metadata={"example": 38})
    tokens = ma.fields.Integer(metadata={"description": "How many would be embedded.", "example": 7400})
    price_usd = ma.fields.String(
        allow_none=True, metadata={"description": "Of embedding them; null where none is known.", "example": None}
    )
    instruction_score = ma.fields.Float(
        metadata={"description": "How much its text looks like orders to a language model, 0 to 1.", "example": 0.0}
    )
    instruction_signs = ma.fields.List(
        ma.fields.String(), metadata={"description": "What makes it look so, and in which words.", "example": []}
    )
    warnings = ma.fields.List(ma.fields.Nested(WarningSchema), metadata=WARNINGS)
    exact_duplicate = ma.fields.String(
        allow_none=True, metadata={"description": "The id of the document with the same content.", "example": None}
    )
    near_duplicates = ma.fields.List(ma.fields.Nested(NearDuplicateSchema))


class DocumentFilterArgs(PageArgs):
    """Which documents."""

    status = ma.fields.String(load_default=None, validate=ma.validate.OneOf(STATUSES))
    collection = text(1, 100, load_default=None)
    document_type = text(1, 50, load_default=None)
    min_instruction_score = StrictFloat(
        load_default=None,
        validate=ma.validate.Range(min=0, max=1),
        metadata={"description": "Only documents whose text looks like orders to a model this much.", "example": 0.5},
    )
    q = text(1, 200, load_default=None, metadata={"description": "A part of the title or the source."})


class DocumentSchema(ma.Schema):
    """A document."""

    id = ma.fields.String(metadata={"example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"})
    title = ma.fields.String(metadata={"example": "Opening hours"})
    source = ma.fields.String(metadata={"example": "https://example.com/hours"})
    url = ma.fields.String(
        allow_none=True, metadata={"description": "Where it is fetched from.", "example": "https://example.com/hours"}
    )
    document_type = ma.fields.String(metadata={"example": "FAQ"})
    collection = ma.fields.String(metadata={"example": DEFAULT_COLLECTION})
    is_active = ma.fields.Boolean(metadata={"example": True})
    status = ma.fields.String(validate=ma.validate.OneOf(STATUSES), metadata={"example": "ready"})
    progress = ma.fields.Dict(metadata={"example": {"chunks_done": 3, "chunks_total": 3}})
    error = ma.fields.Dict(
        allow_none=True, metadata={"description": "`code` and `detail` of a failure.", "example": None}
    )
    blocked_because = ma.fields.String(allow_none=True, metadata={"description": "Why it waits.", "example": None})
    queue_position = ma.fields.Integer(
        allow_none=True, metadata={"description": "Its place among what waits, from 1.", "example": None}
    )
    version = ma.fields.Integer(metadata={"example": 1})
    size_bytes = ma.fields.Integer(metadata={"example": 57})
    chunk_count = ma.fields.Integer(metadata={"example": 3})
    language = ma.fields.String(allow_none=True, metadata={"example": None})
    instruction_score = ma.fields.Float(
        allow_none=True,
        metadata={
            "description": "How much its text looks like orders to a language model, 0 to 1; from 0.5 on somebody "
            "should read it. null while it is not known.",
            "example": 0.0,
        },
    )
    warnings = ma.fields.List(ma.fields.Nested(WarningSchema), metadata=WARNINGS)
    content_hash = ma.fields.String(
        metadata={"description": "SHA-256 of the bytes, in hexadecimal.", "example": "4970e497…"}
    )
    uploaded_at = UtcDateTime(metadata={"type": "string", "format": "date-time", "example": "2026-11-22T18:00:00.000Z"})
    updated_at = UtcDateTime(metadata={"type": "string", "format": "date-time", "example": "2026-11-22T18:00:02.000Z"})
    metadata = ma.fields.Dict(metadata={"example": {"team": "support"}})

    @ma.pre_dump
    def _shape(self, described: object, **_kwargs: object) -> object:
        if not isinstance(described, Described | Document):
            # What a reader sees, with the fields of READ_DOCUMENT only.
            return described
        if isinstance(described, Document):
            described = Described(described, None, described.blocked_because)
        document = described.document
        error = {"code": document.error_code, "detail": document.error_detail} if document.error_code else None
        same = [
            "id",
            "title",
            "source",
            "url",
            "document_type",
            "is_active",
            "status",
            "version",
            "size_bytes",
            "chunk_count",
            "language",
            "content_hash",
            "uploaded_at",
            "updated_at",
        ]
        return {name: getattr(document, name) for name in same} | {
            "collection": document.collection.name,
            "progress": {"chunks_done": document.chunks_done, "chunks_total": document.chunks_total},
            "error": error,
            "blocked_because": described.blocked_because,
            "queue_position": described.queue_position,
            "instruction_score": described.instruction_score,
            "warnings": described.warnings,
            "metadata": document.extra,
        }


class VersionArgs(ma.Schema):
    """Which version."""

    version = StrictInt(
        load_default=None, validate=NUMBER, metadata={"description": "Its number; the newest without it.", "example": 1}
    )


class CompareArgs(ma.Schema):
    """With which version."""

    to = StrictInt(
        load_default=None, validate=NUMBER, metadata={"description": "The other version; the newest without it."}
    )


class VersionSchema(ma.Schema):
    """One content of a document."""

    version = ma.fields.Integer(metadata={"example": 1})
    content_hash = ma.fields.String(
        metadata={"description": "SHA-256 of the bytes, in hexadecimal.", "example": "4970e497…"}
    )
    size_bytes = ma.fields.Integer(metadata={"example": 57})
    filename = ma.fields.String(metadata={"description": "Empty for a document that came as JSON.", "example": ""})
    media_type = ma.fields.String(allow_none=True, metadata={"example": "text/markdown"})
    created_at = UtcDateTime(metadata={"type": "string", "format": "date-time", "example": "2026-11-22T18:00:00.000Z"})
    is_current = ma.fields.Boolean(metadata={"description": "Whether it is the newest.", "example": True})
    characters = ma.fields.Integer(
        allow_none=True,
        metadata={"description": "The length of its text in code points; null while there is none.", "example": 57},
    )
    warnings = ma.fields.List(ma.fields.Nested(WarningSchema), metadata=WARNINGS)


class VersionTextSchema(VersionSchema):
    """One content of a document, with the text that offsets count in."""

    text = ma.fields.String(
        allow_none=True, metadata={"example": "The shop is open from 9 to 17 o'clock, Monday to Friday."}
    )
    page_starts = ma.fields.List(
        ma.fields.Integer(),
        metadata={"description": "Where each page begins, in code points; empty without pages.", "example": [0, 2210]},
    )


# What is shown to those who read and administer nothing.
READ_DOCUMENT = ("id", "title", "source", "url", "version", "language")
READ_VERSION = ("version", "media_type", "created_at", "is_current", "characters", "text", "page_starts")


# `from` is a word of Python's.
ComparisonSchema = ma.Schema.from_dict(
    {
        "from": ma.fields.Integer(metadata={"example": 1}),
        "to": ma.fields.Integer(metadata={"example": 2}),
        "diff": ma.fields.String(
            metadata={
                "description": "A unified diff of the texts, empty when they are equal.",
                "example": "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-Open from 9 to 17.\n+Open from 10 to 18.",
            }
        ),
    },
    name="ComparisonSchema",
)


class ChunkSchema(ma.Schema):
    """A chunk. `char_start` and `char_end` are code points in that version's text."""

    chunk_id = ma.fields.Integer(attribute="id", metadata={"example": 871})
    version = ma.fields.Integer(metadata={"example": 1})
    ordinal = ma.fields.Integer(metadata={"description": "Its place in the document, from 0.", "example": 0})
    char_start = ma.fields.Integer(metadata={"example": 0})
    char_end = ma.fields.Integer(metadata={"example": 57})
    page = ma.fields.Integer(allow_none=True, metadata={"example": None})
    headings = ma.fields.List(ma.fields.String(), metadata={"example": ["Opening hours"]})
    tokens = ma.fields.Integer(metadata={"example": 17})
    text = ma.fields.String(metadata={"example": "The shop is open from 9 to 17 o'clock, Monday to Friday."})


class ReceiptSchema(ma.Schema):
    """What a deletion has removed."""

    id = ma.fields.String(metadata={"example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"})
    title = ma.fields.String(metadata={"example": "Opening hours"})
    versions = ma.fields.Integer(metadata={"example": 1})
    chunks = ma.fields.Integer(metadata={"example": 3})
    size_bytes = ma.fields.Integer(metadata={"example": 57})


class SearchArgs(ma.Schema):
    """What to look for."""

    q = text(1, 1000, required=True, metadata={"description": "The question.", "example": "When is the shop open?"})
    k = StrictInt(load_default=5, validate=ma.validate.Range(min=1, max=50))
    mode = ma.fields.String(
        load_default="hybrid",
        validate=ma.validate.OneOf(["hybrid", "dense", "keyword"]),
        metadata={"description": "By vectors (`dense`), by words (`keyword`), or both."},
    )
    collection = text(1, 100, load_default=None)
    filter = ma.fields.String(
        load_default=None,
        validate=[ma.validate.Length(min=1, max=500), ma.validate.Regexp(WRITTEN)],
        metadata={
            "description": "Only documents of which all of this holds: `field:value`, `field:one|other`, "
            "`-field:value`, separated by commas. Fields: document_type, language, source, title, and the names in a "
            "document's metadata.",
            "example": "document_type:FAQ,team:support|sales",
        },
    )
    variety = StrictFloat(
        load_default=0.0,
        validate=ma.validate.Range(min=0, max=1),
        metadata={"description": "0 gives the best as they are; more prefers passages that do not say the same."},
    )


class PassageSchema(ma.Schema):
    """A passage found for a question. `char_start` and `char_end` are code points in that version's text."""

    rank = ma.fields.Integer(metadata={"example": 1})
    document_id = ma.fields.String(metadata={"example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"})
    title = ma.fields.String(metadata={"example": "Opening hours"})
    source = ma.fields.String(metadata={"example": "https://example.com/hours"})
    version = ma.fields.Integer(metadata={"example": 1})
    chunk_id = ma.fields.Integer(metadata={"example": 871})
    page = ma.fields.Integer(allow_none=True, metadata={"example": None})
    char_start = ma.fields.Integer(metadata={"example": 0})
    char_end = ma.fields.Integer(metadata={"example": 57})
    text = ma.fields.String(metadata={"example": "The shop is open from 9 to 17 o'clock, Monday to Friday."})
    scores = ma.fields.Dict(
        metadata={
            "description": "`dense`: cosine; `keyword`: BM25; `fused`: by which passages are ordered; `evidence`: what "
            "an answer asks of them. null where a search did not come to it. An answer that was curated for this "
            "question has `curated` too.",
            "example": {"dense": 0.71, "keyword": 9.2, "fused": 0.94, "evidence": 0.76},
        }
    )


class SearchAnswerSchema(ma.Schema):
    """Passages, best first."""

    items = ma.fields.List(ma.fields.Nested(PassageSchema))
    threshold = ma.fields.Float(
        metadata={"description": "The evidence asked of a passage where a threshold decides.", "example": 0.36}
    )


class StatsSchema(ma.Schema):
    """What is stored."""

    documents = ma.fields.Dict(metadata={"example": {"ready": 12, "failed": 1}, "description": "Counts by status."})
    chunks = ma.fields.Integer(metadata={"example": 184})
    tokens = ma.fields.Integer(metadata={"example": 31200})
    bytes = ma.fields.Integer(metadata={"example": 120400})
    embedder = ma.fields.String(allow_none=True, metadata={"example": "all-MiniLM-L6-v2"})
    # What EMBEDDING_MODEL asks for; another one than `embedder` until a generation of it is built and activated.
    configured_embedder = ma.fields.String(metadata={"example": "all-MiniLM-L6-v2"})
    dimension = ma.fields.Integer(allow_none=True, metadata={"example": 384})
    generation = ma.fields.Integer(allow_none=True, metadata={"example": 1})
    revision = ma.fields.Integer(metadata={"example": 13})
    threshold = ma.fields.Float(allow_none=True, metadata={"example": 0.36})
    queue_age_seconds = ma.fields.Float(
        allow_none=True, metadata={"description": "How long the oldest waiting document has waited.", "example": None}
    )
    languages = ma.fields.Dict(
        metadata={"description": "Documents by language, as far as it is known.", "example": {"en": 11, "de": 1}}
    )
    workers = ma.fields.Integer(metadata={"description": "How many workers are there.", "example": 1})
    index = ma.fields.Dict(
        metadata={
            "description": "What the answering process holds. `kind` is `flat` (each vector is compared), `ivf` "
            "(those of the nearest lists) or `pgvector`; `memory_bytes` is its own memory, without a mapped file.",
            "example": {"kind": "flat", "vectors": 184, "memory_bytes": 282624, "revision": 13},
        }
    )
