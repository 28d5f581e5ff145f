"""``act-envs serve webshop``: the shop as a web site on this machine, for people."""
# ruff: noqa: T201

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from act_envs.errors import UnknownArgument

__all__ = ["Serve"]


@dataclass(frozen=True)
class Serve:
    """Shop in a browser: draw an errand, buy, and see what the purchase was worth. Ctrl-C ends it.

    Nothing leaves this machine, and nobody else reaches the site unless --host says so.
    """

    data_dir: Annotated[str | Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the catalogue is; $ACT_DATA_DIR, else ~/.cache/act."""

    generated: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Sell so many generated products instead; needs no data."""

    goals: Literal["human", "synthetic"] | None = None
    """Whose errands; people's by default where all of upstream's are there."""

    host: str = "127.0.0.1"
    """Address to listen at. 0.0.0.0 lets everybody in who can reach this machine."""

    port: int = 3000
    """Port to listen at; 0 takes a free one."""

    images: bool = False
    """Show pictures: the browser then loads them from the addresses in the catalogue."""

    def __call__(self) -> int:
        from act_envs.listening import address, listen
        from act_envs.webshop.engine import Engine
        from act_envs.webshop.nouns import Nouns
        from act_envs.webshop.site import create_app

        shop = self._shop()
        source = self.goals or shop.usual_goals
        goals = shop.goals(source)
        if not len(goals):
            raise UnknownArgument(f"the catalogue has no {source} goals. Try the other --goals.")
        app = create_app(Engine(shop, Nouns()), goals, images=self.images)
        server = listen(app, self.host, self.port)
        print(f"{len(shop.products):,} products, {len(goals):,} {source} errands", flush=True)
        print(f"{address(self.host, server.port)} (Ctrl-C ends it)", flush=True)
        server.serve_forever()  # returns at Ctrl-C
        print()
        return 0

    def _shop(self):
        from act_envs.webshop.generator import generated_shop
        from act_envs.webshop.shop import open_shop

        if self.generated is None:
            return open_shop(self.data_dir)
        if self.data_dir is not None:
            raise UnknownArgument("generated products need no data. Give --generated alone.")
        return generated_shop(self.generated)
