"""Rows on disk: their schemas, tables of them in parquet, and files that are whole or absent."""
