"""Datasets for others: built from runs, described, and pushed to the Hugging Face Hub."""
