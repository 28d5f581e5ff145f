"""Computing a prompt once for all its continuations: to generate them, to score them, to learn.

Who mines K answers, scores candidates, judges or trains by GRPO does it with these.
"""

from act_data.shared_prefix.generating import generate
from act_data.shared_prefix.packing import Packed, distinct, in_a_row, pack
from act_data.shared_prefix.scoring import answer_log_probabilities
from act_data.shared_prefix.searching import likeliest

__all__ = [
    "Packed", "answer_log_probabilities", "distinct", "generate", "in_a_row", "likeliest", "pack",
]  # fmt: skip
