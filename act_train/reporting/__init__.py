"""What a report is made of: runs as they are found, the published numbers, figures and pages."""
