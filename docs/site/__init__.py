"""What makes the pages of the documentation site that are no documents, and looks at all of them."""
