"""Requests and responses: parsing, errors as JSON, headers, blueprints, the OpenAPI document."""
