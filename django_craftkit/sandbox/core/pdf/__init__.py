"""The PDFs: documents, signed documents, certificates."""
