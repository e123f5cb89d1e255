"""What a calendar (RFC 5545) consists of: components and their properties, times, and rules of recurrence."""
