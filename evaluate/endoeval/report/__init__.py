"""What a reader sees: overlays, the table in Markdown, the page."""
