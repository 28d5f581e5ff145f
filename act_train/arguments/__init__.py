"""What stages are told: dataclasses whose fields are YAML keys and command-line options at once.

The options of a training stage are those here plus every field of TRL's own configuration
(``GRPOConfig``, ``SFTConfig``). None of these modules imports torch or TRL, so that ``--help`` is
fast.
"""
