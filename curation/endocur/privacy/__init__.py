"""The gate: what a published set may hold, its pixels read back as text, the signed audit, and masks added by hand."""
