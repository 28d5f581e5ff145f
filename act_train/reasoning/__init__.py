"""Questions with one right answer (MATH-500, GPQA-Diamond): asked, read, graded."""
