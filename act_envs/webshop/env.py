"""``ACT/WebShop-v0`` and ``ACT/WebShopGen-v0``. The class docstrings are the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from act_envs.base import TextEnv
from act_envs.errors import UnknownArgument
from act_envs.webshop.engine import Engine
from act_envs.webshop.generator import generate
from act_envs.webshop.given import OPTIONS
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.shop import Shop, open_shop
from act_envs.webshop.simulator import NativeSimulator

MAX_GENERATED = 100_000


class WebShopEnv(TextEnv):
    """A web shop in text: find a product that fits an instruction, choose its options, buy it.

    ## Description

    The shop of Yao et al., *WebShop: Towards Scalable Real-World Web Interaction with Grounded
    Language Agents* (NeurIPS 2022, https://arxiv.org/abs/2207.01206), with up to 1.18 million
    products of a real one. An agent reads an instruction ("Find me slim fit men's shirts with long
    sleeve, and price lower than 40.00 dollars"), searches, reads pages, and buys.

    The engine is this package's own. It gives upstream's pages, actions, search results and
    rewards, without Java, spaCy, Flask or a browser: princeton-nlp/WebShop at 64fa2a5. What
    upstream leaves to chance follows from the catalogue here: the price of a product whose record
    gives a range, and the price limit that an instruction names. Both are drawn once for good, by a
    hash (see :func:`act_envs.webshop.goals.price_of` and ``limit_of``); upstream draws them anew in
    every process.

    A task is a goal, named by its product: ``"human/B00EXAMPLE/0"`` for an instruction that a
    person wrote, ``"synthetic/B00EXAMPLE/3"`` for one made from a product's attributes and one of
    the combinations of its options. Splits share no product: of the products outside the
    department "grocery" 80 % are ``train``, 10 % ``dev`` and 10 % ``test``; those of "grocery" are
    ``ood``. Upstream's own splits, which share products, are the panels ``upstream-train``,
    ``upstream-dev`` and ``upstream-test``, where the whole catalogue and its 12,087 human goals are
    there. ``act-envs tasks webshop --check-leaks`` prints what is shared.

    ## Action Space

    Any line of text. The shop takes ``search[words]``, on every page, and ``click[text]`` of what
    can be clicked: ``back to search``, ``next >``, ``< prev``, ``description``, ``features``,
    ``reviews``, ``buy now``, the asin of a result, the value of an option. Letter case inside the
    brackets does not matter, before them it does. All else leaves the page as it is and costs a
    step. An option value with a bracket that upstream cannot read ("a [b]") cannot be clicked.

    ## Observation Space

    The page, as ``observation`` says: ``"text"`` (texts divided by " [SEP] "), ``"text_rich"``
    (lines, with what can be clicked and what was marked), ``"html"`` (our own markup, that of
    ``act-envs serve webshop``) or ``"url"`` (the address that upstream gives the page).

    ## Starting State

    The page with the search bar. The seed only decides which task ``reset`` draws; all goals are
    equally likely (upstream draws by weight and never the first).

    ``reset(options={"goal": {...}})`` plays a goal with upstream's keys, ``{"prices": {asin:
    dollars}}``, alone with ``task_id`` or beside a goal, sets prices for the episode: so an episode
    that was recorded elsewhere can be played again. See :mod:`act_envs.webshop.given`.

    ## Rewards

    The reward of a purchase, in [0, 1]: upstream's, quirks included, see
    :mod:`act_envs.webshop.reward`. It compares nouns of titles, which upstream finds with spaCy;
    ``nouns`` says how they are found here.

    ## Episode End

    Terminated by ``buy now``: ``won`` with reward 1, else ``failed`` with the score that it has.
    Truncated after ``step_limit`` actions, invalid ones included. (Upstream has no limit; callers
    took 100 in its baselines, 20 in AgentBench, 15 in verl-agent.)

    ## Information

    The keys of :class:`act_envs.types.StepInfo`. Of these, here:

    - ``kind``: the department (``"fashion"``).
    - ``goal``: the instruction.
    - ``raw_score``: equal to ``score``.
    - ``purchase``: None until something is bought; then the parts of the reward by upstream's names
      (:class:`act_envs.webshop.reward.Reward`).
    - ``nouns``: the argument, or ``"lists"``.
    - ``admissible_actions`` (with ``admissible=True``): upstream's available actions in its order;
      at the start ``search[...]``, where the dots stand for any words.

    ## Arguments

    - ``split`` (``"train"``): ``"train"``, ``"dev"``, ``"test"``, ``"ood"`` or a panel.
    - ``data_dir``: the folder of upstream's files, or of a compiled catalogue. Without it:
      ``ACT_DATA_DIR``, then where ``act-envs download webshop`` puts them. Large catalogues open in
      seconds after ``act-envs compile webshop``.
    - ``goals`` (None): ``"human"`` or ``"synthetic"`` instructions; None stands for the human ones
      of the whole catalogue, and for synthetic ones with any other (of the 1,000 products of the
      small catalogue only 13 have a human one).
    - ``observation`` (``"text"``): see above.
    - ``nouns`` (``"rule"``): ``"rule"``, ``"spacy"``, ``"spacy:MODEL"``, lists of nouns by title,
      or the path of a JSON file of them; see :mod:`act_envs.webshop.nouns`.
    - ``compat`` (None): ``"upstream"`` for what upstream does by mistake, see
      :mod:`act_envs.webshop.engine`.
    - ``attributes`` (False): a button "Attributes" on product pages (upstream's ``show_attrs``).
    - ``step_limit`` (100), None for no limit; also a mapping of departments to numbers.
    - ``admissible`` (False): put ``admissible_actions`` into every ``info``.
    - ``render_mode`` (None): ``"ansi"`` or None.

    The expert (``expert_action``) is an oracle: it knows what the purchase must be.

    ## Version History

    - v0: first version.

    Raises:
        AssetsNotFound: there is no catalogue.
        CatalogueError: a file of it is damaged.
        UnknownArgument: an argument has a value that is not listed here.
        UnknownSplit: there is no such split or panel.
        MissingExtra: a package that is needed is not installed.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        data_dir: str | Path | None = None,
        goals: Literal["human", "synthetic"] | None = None,
        observation: str = "text",
        nouns: str | Path | Mapping[str, Sequence[str]] = "rule",
        compat: Literal["upstream"] | None = None,
        attributes: bool = False,
        step_limit: int | Mapping[str, int] | None = 100,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        simulator = _simulator(open_shop(data_dir), goals, observation, nouns, compat, attributes)
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            options=OPTIONS,
            given=simulator.given,
            unknown=unknown,
        )


class WebShopGenEnv(TextEnv):
    """WebShop with generated products: the same rules, pages and rewards, no download.

    ## Description

    Products, prices, options and instructions are made from ``seed_of_products``, in upstream's
    schema and with counts like those of its 1,000-product catalogue
    (``python -m benchmarks.parity webshop`` prints the comparison), and sold by the engine of
    ``ACT/WebShop-v0``: see there for rules, pages and rewards. Meant for development, tests and
    experiments that must run anywhere; results on it are not results on WebShop.

    ## Action Space
    As ``ACT/WebShop-v0``.

    ## Observation Space
    As ``ACT/WebShop-v0``.

    ## Starting State
    As ``ACT/WebShop-v0``.

    ## Rewards
    As ``ACT/WebShop-v0``.

    ## Episode End
    As ``ACT/WebShop-v0``.

    ## Information
    As ``ACT/WebShop-v0``. The goals are synthetic ones.

    ## Arguments
    - ``split`` (``"train"``): ``"train"``, ``"dev"``, ``"test"`` or ``"ood"``.
    - ``products`` (1,000): how many there are, at most 100,000; they are made when the first
      environment of a process asks for them. For more: ``act-envs generate webshop``.
    - ``seed_of_products`` (0): decides which; the seed of ``reset`` only draws among the tasks.
    - ``observation``, ``nouns``, ``compat``, ``attributes``, ``step_limit``, ``admissible``,
      ``render_mode``: as ``ACT/WebShop-v0``.

    ## Version History
    - v0: first version.

    Raises:
        UnknownArgument: an argument has a value that is not listed here.
        UnknownSplit: there is no such split.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        products: int = 1000,
        seed_of_products: int = 0,
        observation: str = "text",
        nouns: str | Path | Mapping[str, Sequence[str]] = "rule",
        compat: Literal["upstream"] | None = None,
        attributes: bool = False,
        step_limit: int | Mapping[str, int] | None = 100,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        for name, value in (("products", products), ("seed_of_products", seed_of_products)):
            if type(value) is not int or value < 0:
                raise UnknownArgument(f"{name} must be a whole number, not {value!r}.")
        if not 1 <= products <= MAX_GENERATED:
            raise UnknownArgument(
                f"products={products}: between 1 and {MAX_GENERATED:,} are made in memory. For "
                "more, run act-envs generate webshop, and give its folder to ACT/WebShop-v0."
            )
        shop = _generated(seed_of_products, products)
        simulator = _simulator(shop, "synthetic", observation, nouns, compat, attributes)
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            options=OPTIONS,
            given=simulator.given,
            unknown=unknown,
        )


def _simulator(
    shop: Shop,
    goals: Literal["human", "synthetic"] | None,
    observation: str,
    nouns: str | Path | Mapping[str, Sequence[str]],
    compat: str | None,
    attributes: bool,
) -> NativeSimulator:
    if compat not in (None, "upstream"):
        raise UnknownArgument(f"unknown compat {compat!r}. Known: 'upstream', None.")
    if not isinstance(attributes, bool):
        raise UnknownArgument(f"attributes must be True or False, not {attributes!r}.")
    quirks = compat is not None
    if goals is None:
        goals = "human" if shop.goals("human").whole else "synthetic"
    engine = Engine(shop, Nouns(nouns), quirks=quirks, attributes=attributes)
    return NativeSimulator(engine, goals, observation)


@lru_cache(4)
def _generated(seed: int, count: int) -> Shop:
    """A shop of generated products, the same one for all environments of a process."""
    return Shop.of(listing.product() for listing in generate(seed, count))
