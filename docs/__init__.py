"""The documentation site and what makes it; docs.conf is its configuration."""
