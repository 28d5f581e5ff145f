"""``ACT/WebShop-v0`` and ``ACT/WebShopGen-v0``. The class docstrings are the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from act_envs.base import TextEnv
from act_envs.errors import MissingExtra, UnknownArgument
from act_envs.webshop.engine import Engine
from act_envs.webshop.generator import generated_shop
from act_envs.webshop.given import OPTIONS
from act_envs.webshop.nouns import nouns_of
from act_envs.webshop.shop import Shop, open_shop
from act_envs.webshop.simulator import NativeSimulator

Source = Literal["human", "synthetic"]


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
    - ``nouns``: how they are found: the argument, or ``"lists:"`` and a digest of the lists.
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

    The expert (``expert_action``) is an oracle: it knows what the purchase must be. It is None
    where no purchase that it finds earns 1, which by upstream's rules for options is so for some
    7 % of the synthetic goals of the 1,000 products.

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
        goals: Source | None = None,
        observation: str = "text",
        nouns: str | Path | Mapping[str, Sequence[str]] = "rule",
        compat: Literal["upstream"] | None = None,
        attributes: bool = False,
        step_limit: int | Mapping[str, int] | None = 100,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        shop = open_shop(data_dir)
        engine = _engine(shop, nouns, attributes, compat)
        source = shop.usual_goals if goals is None else goals
        simulator = NativeSimulator(engine, source, observation)
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            options=OPTIONS,
            given=NativeSimulator.given,
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
        engine = _engine(generated_shop(products, seed_of_products), nouns, attributes, compat)
        simulator = NativeSimulator(engine, "synthetic", observation)
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            options=OPTIONS,
            given=NativeSimulator.given,
            unknown=unknown,
        )


class WebShopBrowserEnv(TextEnv):
    """WebShop through a real browser: the same episodes, read and clicked in Chromium.

    ## Description

    The site of ``act-envs serve webshop`` on a free port of this machine, in a headless Chromium of
    its own, driven with selenium. Tasks, pages, actions, rewards and states are those of
    ``ACT/WebShop-v0`` (a test plays both side by side), read from the page that the browser shows.
    A step takes tenths of a second. Meant for screenshots, for agents that see, and for showing
    that both are one shop.

    Needs the extra ``browser``, and Chromium with its driver (``apt-get install chromium
    chromium-driver``). Nothing is loaded from other machines; pictures of products are not shown.

    ## Action Space
    As ``ACT/WebShop-v0``.

    ## Observation Space
    As ``ACT/WebShop-v0``; ``observation`` is ``"text"`` or ``"text_rich"``.

    ## Starting State
    As ``ACT/WebShop-v0``.

    ## Rewards
    As ``ACT/WebShop-v0``.

    ## Episode End
    As ``ACT/WebShop-v0``.

    ## Information
    As ``ACT/WebShop-v0``.

    ## Arguments
    - ``split``, ``data_dir``, ``goals``, ``nouns``, ``attributes``, ``step_limit``, ``admissible``:
      as ``ACT/WebShop-v0``. There is no ``compat``.
    - ``products`` (None): sell so many generated products instead of those of ``data_dir``;
      ``seed_of_products`` (0) decides which.
    - ``observation`` (``"text"``): ``"text"`` or ``"text_rich"``.
    - ``render_mode`` (None): ``"rgb_array"`` for screenshots, (height, width, 3) uint8; ``"ansi"``
      or None.

    ## Version History
    - v0: first version.

    Raises:
        AssetsNotFound: there is no catalogue, or no Chromium.
        MissingExtra: a package that is needed is not installed.
        UnknownArgument: an argument has a value that is not listed here.
        UnknownSplit: there is no such split or panel.
    """

    # Gymnasium reads and copies it as a plain dict.
    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012
    slow = True

    def __init__(
        self,
        split: str = "train",
        *,
        data_dir: str | Path | None = None,
        products: int | None = None,
        seed_of_products: int = 0,
        goals: Source | None = None,
        observation: str = "text",
        nouns: str | Path | Mapping[str, Sequence[str]] = "rule",
        attributes: bool = False,
        step_limit: int | Mapping[str, int] | None = 100,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        try:
            from act_envs.webshop.browser import BrowserSimulator
        except ImportError as error:
            raise MissingExtra(
                "the browser is driven with selenium. Run: "
                'pip install "agentic-critical-training[webshop,browser]"'
            ) from error
        if products is not None and data_dir is not None:
            raise UnknownArgument("generated products need no data_dir. Give products alone.")
        if products is None and seed_of_products != 0:
            raise UnknownArgument("seed_of_products is of generated products. Give products too.")
        if products is None:
            shop = open_shop(data_dir)
        else:
            shop = generated_shop(products, seed_of_products)
        engine = _engine(shop, nouns, attributes)
        source = shop.usual_goals if goals is None else goals
        simulator = BrowserSimulator(engine, source, observation)
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            options=OPTIONS,
            given=NativeSimulator.given,
            unknown=unknown,
        )

    def render(self) -> Any:
        """A screenshot with ``render_mode="rgb_array"``, else as every environment."""
        if self.render_mode != "rgb_array":
            return super().render()
        from act_envs.webshop.browser import BrowserSimulator

        self._running()
        simulator = self._simulator  # after a fork, another one
        assert isinstance(simulator, BrowserSimulator)
        return simulator.screenshot()


def _engine(
    shop: Shop,
    nouns: str | Path | Mapping[str, Sequence[str]],
    attributes: bool,
    compat: str | None = None,
) -> Engine:
    if compat not in (None, "upstream"):
        raise UnknownArgument(f"unknown compat {compat!r}. Known: 'upstream', None.")
    if not isinstance(attributes, bool):
        raise UnknownArgument(f"attributes must be True or False, not {attributes!r}.")
    return Engine(shop, nouns_of(nouns), quirks=compat is not None, attributes=attributes)
