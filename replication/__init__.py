"""The ordered, durable, replicated log. Knows bytes, never orders."""
