"""How far a model in pre-training has come: what it says in play, to questions, and by copying.

Measured on tasks that are held out, by the likeliest token at each place, given the right ones
before it:

- ``loss``: of play, in nats per token that is learnt;
- ``action``: share of the expert's actions in prompts that are right to the last token;
- ``trunk_action``: the same in transcripts;
- ``action_token``: of both, token by token;
- ``reading``: share of the answers to questions that are right to the last token;
- ``copy``: the same of an identifier that was read about 200 tokens before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from act_data.policies.base import seed_of
from act_train.corpus import Corpus
from act_train.packing import TARGET, TEXT, Batch, Encoder, collate, predictions
from act_train.reading import code, code_line, code_question, reading_document

_COPIES = 32  # identifiers to copy
_DISTANCE = 200  # tokens between an identifier and the question for it


class Probes(NamedTuple):
    """What a model is measured on as it learns: play, questions, and identifiers to copy."""

    play: Batch
    questions: Batch
    copies: Batch


@torch.inference_mode()
def measure(model: Qwen3ForCausalLM, probes: Probes) -> dict[str, float]:
    """What the module tells of a model."""
    model.eval()
    logits, ids, roles = predictions(model, probes.play)
    right = logits.argmax(-1) == ids
    whole, branch = whole_targets(probes.play, right)
    found = {
        "loss": functional.cross_entropy(logits.float(), ids),
        "action": whole[branch],
        "trunk_action": whole[~branch],
        "action_token": right[roles == TARGET],
    }
    for name, batch in (("reading", probes.questions), ("copy", probes.copies)):
        logits, ids, _ = predictions(model, batch)
        found[name] = whole_targets(batch, logits.argmax(-1) == ids)[0]
    model.train()
    return {name: round(float(values.float().mean()), 5) for name, values in found.items()}


def copy_probe(corpus: Corpus, encoder: Encoder, tokenizer: PreTrainedTokenizerFast) -> Batch:
    """Questions for an identifier that was read about 200 tokens before, between other text."""

    def size(lines: list[str]) -> int:
        return sum(len(tokenizer.encode(line)) for line in lines)

    found = []
    for index in range(_COPIES):
        value, name = code(np.random.default_rng(seed_of("copy", index))), "key"
        lines, number = [code_line(name, value)], 0
        while size(lines) < _DISTANCE:
            text = "".join(span.text for span in corpus.document(index, number)[0].trunk)
            lines += [line for line in text.splitlines() if line]
            number += 1
        while size(lines[:-1]) >= _DISTANCE:
            lines.pop()
        document = reading_document("", lines, [(code_question(name), value)])
        found.append(encoder.encode(document, [0], 10 * _DISTANCE))
    return collate(found)


def whole_targets(batch: Batch, right: Tensor) -> tuple[Tensor, Tensor]:
    """For each stretch of targets whether all of it is right, and whether it is in a branch."""
    roles = batch.roles[0, 1:]
    target = roles == TARGET
    starts = target & ~torch.cat([target.new_zeros(1), target[:-1]])
    number = (starts.cumsum(0) - 1)[target]
    wrong = torch.zeros(int(starts.sum()), device=right.device)
    wrong.index_add_(0, number, (~right[roles[roles >= TEXT] == TARGET]).float())
    return wrong == 0, batch.branches[0, 1:][starts] > 0
