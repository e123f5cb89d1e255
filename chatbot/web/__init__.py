"""What every blueprint shares: errors as JSON, request hardening, streams, pages of lists, health, the OpenAPI file."""
