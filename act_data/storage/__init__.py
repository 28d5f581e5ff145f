"""Rows on disk: schemas, tables in parquet, files that are whole or absent, what a folder holds."""
