"""Documents as tensors: one long row of tokens, many documents, none of which sees another.

A token of a branch sees its branch and the trunk up to the fork, and its positions go on from
there. So each question is answered from exactly the tokens and positions that a prompt of its own
would have; a test holds that. Attention is computed document by document: nothing is padded, and a
long document costs the short ones nothing. What a batch holds follows from its number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import AttentionInterface, AttentionMaskInterface

from act_data.policies.base import seed_of
from act_train.corpus import Corpus
from act_train.documents import Branch, Document, Role
from act_train.reading import READING

ATTENTION = "act_documents"  # the name under which transformers knows attend()
CONTEXT, TEXT, TARGET = range(3)
_CODES: dict[Role, int] = {"context": CONTEXT, "text": TEXT, "target": TARGET}
_RECITED = (64, 128, 256, 512)  # tokens of a recital
_AS_OFTEN = (8 / 15, 4 / 15, 2 / 15, 1 / 15)  # chance of each: as many tokens of all lengths
_FEWEST = 16  # different tokens that one draws from, at least


class Piece(NamedTuple):
    """Where a document lies in a batch.

    Attributes:
        trunk: tokens of its trunk, which come first.
        sees: what each token of its branches sees, bool, shape (tokens of branches, tokens).
    """

    trunk: int
    sees: Tensor


class Batch(NamedTuple):
    """Documents in one row.

    Attributes:
        ids: the tokens, int64, shape (1, length).
        positions: of each token in the prompt that it is part of; likewise.
        roles: what each token is for; the first of a trunk or branch is context, since the token
            before it in the row does not lead to it.
        branches: number of the token's branch in its document, 0 for the trunk.
        pieces: the documents, in order.
    """

    ids: Tensor
    positions: Tensor
    roles: Tensor
    branches: Tensor
    pieces: tuple[Piece, ...]

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        pieces = tuple(piece._replace(sees=piece.sees.to(device)) for piece in self.pieces)
        return Batch(
            self.ids.to(device), self.positions.to(device), self.roles.to(device),
            self.branches.to(device), pieces,
        )  # fmt: skip


class Encoded(NamedTuple):
    """One document: columns as in :class:`Batch`, and how long its trunk is."""

    ids: list[int]
    positions: list[int]
    roles: list[int]
    branches: list[int]
    trunk: int

    def piece(self) -> Piece:
        """What its tokens see."""
        branch, position = np.array(self.branches), np.array(self.positions)
        first = np.diff(branch[self.trunk :], prepend=0) != 0
        rest = slice(self.trunk, None)
        fork = position[rest][first][np.cumsum(first) - 1] if first.any() else position[rest]
        trunk = (branch == 0) & (position < fork[:, None])
        own = (branch == branch[rest, None]) & (position <= position[rest, None])
        return Piece(self.trunk, torch.from_numpy(trunk | own))


class Encoder:
    """Tokenises documents, in the chat template of the tokenizer.

    Args:
        tokenizer: never merges across the end of a line, so that parts can be tokenised apart.

    Attributes:
        before: the tokens that every document begins with.
        vocabulary: how many different tokens there are.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, end = tokenizer, tokenizer.eos_token
        self.vocabulary = len(tokenizer)
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": "\n"}], tokenize=False, add_generation_prompt=True
        )
        before, _, after = asked.rpartition(f"\n{end}")
        self.before = self.tokens(before)
        self._after, self._end = self.tokens(f"{end}{after}"), self.tokens(end)

    def encode(self, document: Document, asked: Sequence[int], limit: int) -> Encoded:
        """The tokens of a document, without what goes beyond ``limit`` tokens.

        Args:
            document: what is tokenised.
            asked: indices of the branches that are asked.
            limit: at most so many tokens.
        """
        branches: dict[int, list[Branch]] = {}
        for index in asked:
            branches.setdefault(document.branches[index].fork, []).append(document.branches[index])
        trunk: list[tuple[int, int]] = [(token, CONTEXT) for token in self.before]
        rest: list[tuple[int, int, int, int]] = []
        for number, span in enumerate((*document.trunk, None)):
            for branch in branches.get(number, ()):
                prompt = self.question(branch.prompt)
                answer = [*self.tokens(branch.answer), *self._end]
                if len(trunk) + len(rest) + len(prompt) + len(answer) <= limit:
                    roles = [CONTEXT] * len(prompt) + [TARGET] * len(answer)
                    name, start = (rest[-1][3] + 1 if rest else 1), len(trunk)
                    rest += (
                        (token, start + at, role, name)
                        for at, (token, role) in enumerate(zip(prompt + answer, roles, strict=True))
                    )
            ids = [] if span is None else self.tokens(span.text)
            if span is None or len(trunk) + len(rest) + len(ids) > limit:
                break
            trunk += ((token, _CODES[span.role]) for token in ids)
        rows = [(token, at, role, 0) for at, (token, role) in enumerate(trunk)] + rest
        ids, positions, roles, names = map(list, zip(*rows, strict=True))
        return Encoded(ids, positions, roles, names, len(trunk))

    def question(self, prompt: str) -> list[int]:
        """The tokens of a branch up to its answer."""
        return [*self.tokens(prompt), *self._after]

    def tokens(self, text: str) -> list[int]:
        """The tokens of a span, or of another part that ends where one may."""
        return self._tokenizer.encode(text, add_special_tokens=False)


class Batches(Dataset[Batch]):
    """Batches by number.

    Args:
        corpus: gives the documents.
        encoder: tokenises them.
        tokens: a batch is full when the next document would not fit into so many.
        limit: what goes beyond so many tokens of a document is left out.
        asked: share of the branches of a transcript that are asked.
        after_refusals: share of those that come right after a refused action; ``asked`` if None.
        recitals: chance of a recital before each document: see :func:`recital`.
        seed: of the recitals.
    """

    def __init__(
        self,
        corpus: Corpus,
        encoder: Encoder,
        *,
        tokens: int,
        limit: int,
        asked: float,
        after_refusals: float | None = None,
        recitals: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._corpus, self._encoder = corpus, encoder
        self._tokens, self._limit = tokens, min(limit, tokens)
        self._shares = np.array([asked, asked if after_refusals is None else after_refusals])
        self._recitals, self._seed = recitals, seed

    def __getitem__(self, index: int) -> Batch:
        chosen: list[Encoded] = []
        used = number = 0
        while True:
            encoded = self._next(index, number)
            used, number = used + len(encoded.ids), number + 1
            if used > self._tokens:
                return collate(chosen)
            chosen.append(encoded)

    def _next(self, *index: int) -> Encoded:
        rng = np.random.default_rng(seed_of(self._seed, "recital", *index))
        if rng.random() < self._recitals:
            length = int(rng.choice(_RECITED, p=_AS_OFTEN))
            return recital(self._encoder.vocabulary, min(length, self._limit), rng)
        document, rng = self._corpus.document(*index)
        refused = np.array([branch.after_refusal for branch in document.branches], dtype=int)
        shares = 1.0 if document.source == READING else self._shares[refused]
        asked = np.flatnonzero(rng.random(len(document.branches)) < shares).tolist()
        return self._encoder.encode(document, asked, self._limit)


def recital(vocabulary: int, length: int, rng: np.random.Generator) -> Encoded:
    """Random tokens that are said over and over: from the second time on each can be known.

    By this a small model learns to go on as it went on before (induction heads, Olsson et al. 2022,
    arXiv 2209.11895) within one or two million tokens; from play, where what is next can mostly be
    known without looking back, it hardly had after thirty million.

    Args:
        vocabulary: how many different tokens there are.
        length: of the recital, in tokens.
        rng: to draw from.
    """
    fewest = np.log2(min(_FEWEST, vocabulary))
    known = rng.permutation(vocabulary)[: int(2 ** rng.uniform(fewest, np.log2(vocabulary)))]
    once = rng.choice(known, size=int(rng.integers(6, length // 2 + 1)))
    ids = np.resize(once, length).tolist()
    roles = [CONTEXT] * len(once) + [TARGET] * (length - len(once))
    return Encoded(ids, list(range(length)), roles, [0] * length, length)


def collate(documents: Sequence[Encoded]) -> Batch:
    """Documents in one row."""

    def row(column: str) -> Tensor:
        return torch.tensor([[value for one in documents for value in getattr(one, column)]])

    pieces = tuple(one.piece() for one in documents)
    return Batch(row("ids"), row("positions"), row("roles"), row("branches"), pieces)


def predictions(model: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What a model says of the tokens that are to be predicted, of text and of targets.

    Args:
        model: a causal language model with :data:`ATTENTION`.
        batch: with N such tokens.

    Returns:
        Logits, shape (N, vocabulary), the tokens, shape (N,), and their roles, shape (N,).
    """
    hidden = model.model(
        input_ids=batch.ids, position_ids=batch.positions, use_cache=False, pieces=batch.pieces
    ).last_hidden_state
    ahead = batch.roles[0, 1:] >= TEXT
    logits = model.lm_head(hidden[0, :-1][ahead])
    return logits, batch.ids[0, 1:][ahead], batch.roles[0, 1:][ahead]


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    *,
    pieces: Sequence[Piece],
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention within documents, as transformers calls it.

    Args:
        module: the layer's attention.
        query: shape (1, heads, length, width).
        key: shape (1, heads of keys, length, width).
        value: likewise.
        attention_mask: None.
        scaling: of the products.
        pieces: of the batch.

    Returns:
        Shape (1, length, heads, width), and no weights.
    """
    repeat = query.shape[1] // key.shape[1]
    lengths = [piece.trunk + len(piece.sees) for piece in pieces]
    # The gradient of a split is one concatenation; slices would fill a whole batch each.
    parts = zip(*(t.split(lengths, dim=2) for t in (query, key, value)), pieces, strict=True)
    found = []
    for q, k, v, (trunk, sees) in parts:
        k, v = (t.repeat_interleave(repeat, dim=1) for t in (k, v))
        (q, asking), many = q.split((trunk, len(sees)), dim=2), (k[:, :, :trunk], v[:, :, :trunk])
        found.append(
            functional.scaled_dot_product_attention(q, *many, is_causal=True, scale=scaling)
        )
        if len(sees):
            found.append(
                functional.scaled_dot_product_attention(asking, k, v, attn_mask=sees, scale=scaling)
            )
    return torch.cat(found, dim=2).transpose(1, 2), None


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, lambda *_, **__: None)
