"""The paper's comparison on a small model; the plan is in README.md beside this file."""
