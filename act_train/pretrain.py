"""``act-train pretrain``: a small Qwen3 from scratch that reads these worlds and acts in them.

Algorithm: next-token prediction on the documents of :mod:`act_train.corpus`, each batch made when
it is due, never repeated. What an expert did and the answers to questions weigh ``1 +
text_weight``, what came back weighs ``text_weight``, mistakes and the wording of questions nothing.
Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) for matrices, AdamW (0.9, 0.95)
for embeddings and gains, gradients clipped to 1; the learning rate rises, stays, and falls over the
last part of the steps.

The text is decided by the prompt that a policy meets (``act_data.prompts``): a transcript is the
prompt's own past, in which actions are learnt after ``> ``, and at ``asked`` of its steps the
prompt itself branches off. So one pass over an episode trains both, at a tenth of what its prompts
would cost one by one (see :mod:`act_train.documents`).

This is a loop of its own and no ``Trainer``: a batch is a tree of documents and no rectangle, and
all that a step depends on is the weights, the optimizer's state and the number of the batch. That
is the whole checkpoint, and why a run that was killed ends with the same bytes.

With a ``model`` it goes on from there instead of from random weights, and lets this model play a
share ``led`` of the episodes while the expert says what it would have done: DAgger (Ross et al.
2011, arXiv 1011.0686), one round a run.

What is measured as it goes (``log.jsonl``, by step) is told in :mod:`act_train.probes`.

Left out: several GPUs, and mixing in other text.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen3ForCausalLM

from act_data.models import find_model
from act_data.policies.base import check_seed
from act_data.prompts import PROMPT_VERSION
from act_data.runs.run import differences
from act_data.storage.files import replacing, write_json
from act_train.arguments.scratch import PretrainArguments
from act_train.corpus import Corpus
from act_train.documents import Document
from act_train.errors import RecipeError
from act_train.learner import Learner
from act_train.manifest import program, read_manifest, refuse_overwriting
from act_train.packing import ATTENTION, TARGET, Batch, Batches, Encoder, predictions
from act_train.probes import Probes, copy_probe, measure
from act_train.scratch import make_model, make_tokenizer

_CHECKPOINT, _RUN, _LOG = "checkpoint.pt", "run.json", "log.jsonl"
_TEXTS = 3000  # documents that the tokenizer is trained on
_EXAM = 2  # held-out batches
# How a run is watched and kept, and not what it learns: free to change when it goes on. Nor do
# steps before the learning rate falls depend on when it will: see _resume().
_FREE = ("probe_steps", "save_steps", "workers", "steps", "decay")

logger = logging.getLogger(__name__)


def run(arguments: PretrainArguments) -> dict[str, Any]:
    """Pre-train, or go on pre-training.

    Returns:
        What ``metrics.json`` holds: the last measurement, and the size of the model.

    Raises:
        RecipeError: the folder holds another run, nothing can be held out, or bf16 is wanted
            without a GPU.
        ModelNotFound: there is no model to go on from.
    """
    check_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if arguments.bf16 and device.type == "cpu":
        raise RecipeError("bf16 needs a GPU, and there is none here. Set bf16: false.")
    folder = Path(arguments.out)
    start, weights = find_model(arguments.model, None) if arguments.model else (None, "")
    refuse_overwriting(str(start or ""), folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = _record(arguments, weights)
    _refuse_another_run(folder, record)
    corpus = Corpus(
        arguments.played(), arguments.reading, arguments.seed, held_out=False, led=arguments.led,
        learner=functools.partial(Learner, start, arguments.max_length) if start else None,
    )  # fmt: skip
    if start:
        tokenizer, model = _loaded(start)
    else:
        vocabulary, hidden, layers = arguments.sizes()
        tokenizer = _tokenizer(folder, corpus, vocabulary)
        corpus.close()  # it is opened again where batches are made
        model = make_model(tokenizer, hidden=hidden, layers=layers, seed=arguments.seed)
    model.set_attn_implementation(ATTENTION)
    cast(torch.nn.Module, model).to(device)
    optimizers = _optimizers(model, arguments)
    first, log = _resume(folder, model, optimizers, device, arguments)
    write_json(folder / _RUN, record)
    encoder = Encoder(tokenizer)
    shape = {"tokens": arguments.batch_tokens, "limit": arguments.max_length}
    play, questions = (
        Corpus(arguments.played(), reading, arguments.seed, held_out=True) for reading in (0, 1)
    )
    exam = {**shape, "tokens": _EXAM * arguments.batch_tokens}
    probes = Probes(
        play=Batches(play, encoder, **exam, asked=1.0)[0].to(device),
        questions=Batches(questions, encoder, **exam, asked=1.0)[0].to(device),
        copies=copy_probe(play, encoder, tokenizer).to(device),
    )
    for held in (play, questions):
        held.close()
    batches = Batches(
        corpus, encoder, **shape, asked=arguments.asked,
        after_refusals=arguments.asked_after_refusals, recitals=arguments.recitals,
        seed=arguments.seed,
    )  # fmt: skip
    bar = tqdm(total=arguments.steps, initial=first, unit="step", mininterval=2)
    with bar, contextlib.closing(corpus):  # which is opened in this process where no worker plays
        for step, batch in enumerate(_stream(batches, arguments, first), first + 1):
            loss = _learn(model, optimizers, batch.to(device), step, arguments)
            bar.update()
            last = step == arguments.steps
            if step % arguments.probe_steps == 0 or last:
                entry = {"step": step, "train_loss": loss.item(), **measure(model, probes)}
                log.append(entry)
                _write_log(folder, log)
                bar.set_postfix(loss=entry["loss"], action=entry["action"], copy=entry["copy"])
            if step % arguments.save_steps == 0 or last:
                state = {"log": log, "step": step, "schedule": _schedule(arguments)}
                _save(folder, model, optimizers, state)
    return _finish(folder, model, tokenizer, log)


def loss_of(model: Qwen3ForCausalLM, batch: Batch, text_weight: float) -> Tensor:
    """The weighted mean of the negative log-likelihoods, in nats."""
    logits, ids, roles = predictions(model, batch)
    weights = torch.where(roles == TARGET, 1 + text_weight, text_weight)
    losses = functional.cross_entropy(logits.float(), ids, reduction="none")
    return (losses * weights).sum() / weights.sum()


def _learn(
    model: Qwen3ForCausalLM,
    optimizers: Sequence[torch.optim.Optimizer],
    batch: Batch,
    step: int,
    arguments: PretrainArguments,
) -> Tensor:
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = arguments.learning_rate * _rate(step, arguments)
    half = torch.autocast("cuda", torch.bfloat16) if arguments.bf16 else contextlib.nullcontext()
    with half:
        loss = loss_of(model, batch, arguments.text_weight)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    model.zero_grad()
    return loss.detach()


def _rate(step: int, arguments: PretrainArguments) -> float:
    """The share of the peak learning rate at a step, from 1."""
    left, falling = arguments.steps - step + 1, arguments.steps - _falls_after(arguments)
    return min(1.0, step / arguments.warmup_steps, left / max(1, falling))


def _falls_after(arguments: PretrainArguments) -> int:
    """The last step with the peak learning rate."""
    return arguments.steps - round(arguments.decay * arguments.steps)


def _schedule(arguments: PretrainArguments) -> tuple[int, int]:
    """The steps between which the learning rate falls."""
    return _falls_after(arguments), arguments.steps


def _optimizers(
    model: Qwen3ForCausalLM, arguments: PretrainArguments
) -> tuple[torch.optim.Optimizer, ...]:
    embedding = model.get_input_embeddings().weight
    matrices = [p for p in model.parameters() if p.dim() > 1 and p is not embedding]
    others = [p for p in model.parameters() if p.dim() <= 1 or p is embedding]
    rate, decay = arguments.learning_rate, arguments.weight_decay
    return (
        # "match_rms_adamw": updates as large as AdamW's, so that one learning rate serves both.
        torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    )


def _tokenizer(folder: Path, corpus: Corpus, vocabulary: int) -> PreTrainedTokenizerFast:
    if not (folder / _CHECKPOINT).is_file():  # else it was saved whole before the checkpoint
        texts = (_text(corpus.document(index)[0]) for index in range(_TEXTS))
        make_tokenizer(texts, vocabulary, spell=True).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def _loaded(folder: Path) -> tuple[PreTrainedTokenizerFast, Qwen3ForCausalLM]:
    return (
        AutoTokenizer.from_pretrained(folder),
        Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32),
    )


def _text(document: Document) -> str:
    spans = [span.text for span in document.trunk]
    return "".join([*spans, *(branch.prompt + branch.answer for branch in document.branches[:2])])


def _stream(batches: Batches, arguments: PretrainArguments, first: int) -> Iterator[Batch]:
    """The batches that are still to come, in order, made by other processes meanwhile."""
    numbers: Iterable[int] = range(first, arguments.steps)
    yield from DataLoader(
        batches, batch_size=None, sampler=numbers, num_workers=arguments.workers,
        prefetch_factor=8 if arguments.workers else None,
    )  # fmt: skip


def _record(arguments: PretrainArguments, weights: str) -> dict[str, Any]:
    """What ``run.json`` says: all that determines the run, and no place and no time."""
    libraries = ("numpy", "torch", "transformers", "tokenizers")
    chosen = {k: v for k, v in dataclasses.asdict(arguments).items() if k != "out"}
    return {
        "stage": "pretrain",
        "arguments": {name: value for name, value in chosen.items() if value is not None},
        "weights": weights,
        "prompt_version": PROMPT_VERSION,
        "versions": program(*libraries),
    }


def _refuse_another_run(folder: Path, record: dict[str, Any]) -> None:
    path = folder / _RUN
    there = read_manifest(path) if path.is_file() else record
    if found := differences(_essence(there), _essence(record)):
        raise RecipeError(
            f"{folder} holds another run: {'; '.join(found[:3])}. Nothing was changed. Give the "
            f"same values to go on with it, choose another out, or delete {folder}."
        )


def _essence(record: dict[str, Any]) -> dict[str, Any]:
    chosen = {k: v for k, v in record["arguments"].items() if k not in (*_FREE, "model")}
    return {**record, "arguments": chosen}


def _save(
    folder: Path,
    model: Qwen3ForCausalLM,
    optimizers: Sequence[torch.optim.Optimizer],
    progress: dict[str, Any],
) -> None:
    state = {
        **progress,
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    with replacing(folder / _CHECKPOINT) as file:
        torch.save(state, file)


def _resume(
    folder: Path,
    model: Qwen3ForCausalLM,
    optimizers: Sequence[torch.optim.Optimizer],
    device: torch.device,
    arguments: PretrainArguments,
) -> tuple[int, list[dict[str, Any]]]:
    """Load the checkpoint, if there is one: the steps it has behind it, and what was measured."""
    path = folder / _CHECKPOINT
    if not path.is_file():
        return 0, []
    state = torch.load(path, map_location=device)
    step, then, now = state["step"], state["schedule"], _schedule(arguments)
    if then != now and step > min(then[0], now[0]):
        raise RecipeError(
            f"{path} has {step} steps behind it, and the learning rate falls from step {then[0]} "
            f"to {then[1]} there, from {now[0]} to {now[1]} now. Steps and decay can only be "
            "changed before that. Give the same values to go on with it, or choose another out."
        )
    model.load_state_dict(state["model"])
    for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(kept)
    logger.info("going on after step %d of %s", step, folder)
    return step, state["log"]


def _write_log(folder: Path, log: Sequence[dict[str, Any]]) -> None:
    with replacing(folder / _LOG) as file:
        file.write("".join(f"{json.dumps(entry)}\n" for entry in log).encode())


def _finish(
    folder: Path,
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    log: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    metrics = {**log[-1], "parameters": model.num_parameters(), "vocabulary": len(tokenizer)}
    cast(torch.nn.Module, model).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _write_log(folder, log)
    write_json(folder / "metrics.json", metrics)
    return {"model": str(folder), **metrics}
