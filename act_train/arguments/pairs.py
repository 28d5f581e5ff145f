"""Where contrast pairs come from: what training and judging are told alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from act_train.arguments.fields import check_subset, need, option


@dataclass
class PairSource:
    """Which file or dataset."""

    pairs: str = option(
        "",
        "Folder or file of contrast pairs (act-data mine); or with split a dataset (act-data "
        "build): a folder, org/name[@REVISION] on the Hub, or builtin.",
    )
    split: str | None = option(None, "Of a dataset: train.")
    subset: str | None = option(
        None, "Of a dataset: the environment whose pairs are taken; the first."
    )
    allow_split: list[str] = field(
        default_factory=list,
        metadata={"help": "Splits besides train that the data may hold; never a test split."},
    )

    def __post_init__(self) -> None:
        need(self.pairs, "pairs")
        check_subset(self.split, self.subset)
