"""One generated product as its seller lists it: in upstream's files, and as they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from act_envs.webshop.catalogue import UNPRICED, Instruction, Product

PICTURES = "https://images.example/"
"""Begins the URL of every picture. There is none: ``.example`` belongs to nobody."""


class Listing(NamedTuple):
    """One product as a seller lists it.

    Attributes:
        asin, name, description, bullet_points, category, query, product_category: as upstream's.
        pricing: no price, one, or the two ends of a range, in dollars.
        options: values by name as the seller writes them, and the URL of the picture of each.
        attributes: what the product is known to be.
        instruction: the synthetic one, if any.
    """

    asin: str
    name: str
    description: str
    bullet_points: tuple[str, ...]
    category: str
    query: str
    product_category: str
    pricing: tuple[float, ...]
    options: Mapping[str, Sequence[tuple[str, str | None]]]
    attributes: tuple[str, ...]
    instruction: Instruction | None

    @property
    def image(self) -> str:
        """URL of the picture."""
        return f"{PICTURES}{self.asin}.jpg"

    def product(self) -> Product:
        """What ``read_products`` makes of the listing's records."""
        options, images = {}, {}
        for name, values in self.options.items():
            shown = [value.replace("/", " | ").lower() for value, _ in values]
            options[name.lower()] = tuple(shown)
            images.update(zip(shown, (image for _, image in values), strict=True))
        pricing = self.pricing or (UNPRICED,)
        return Product(
            asin=self.asin,
            title=self.name,
            category=self.category,
            query=self.query,
            product_category=self.product_category,
            description=self.description,
            bullet_points=self.bullet_points,
            pricing=pricing,
            price=" to ".join([f"${amount}" for amount in pricing]),
            options=options,
            attributes=self.attributes,
            image=self.image,
            option_images=images,
            instruction=self.instruction,
        )

    def record(self) -> dict[str, Any]:
        """Its entry in upstream's ``items_shuffle.json``."""
        options = {
            name: [{"value": value, "image": image} for value, image in values]
            for name, values in self.options.items()
        }
        return {
            "asin": self.asin,
            "name": self.name,
            "full_description": self.description,
            "small_description": list(self.bullet_points),
            "pricing": " - ".join(f"${amount:,}" for amount in self.pricing),
            "images": [self.image],
            "category": self.category,
            "query": self.query,
            "product_category": self.product_category,
            "customization_options": options or "",
        }

    def facts(self) -> dict[str, Any]:
        """Its entry in upstream's ``items_ins_v2.json``."""
        facts: dict[str, Any] = {"attributes": list(self.attributes)}
        if self.instruction:
            facts["instruction"] = self.instruction.text
            facts["instruction_attributes"] = list(self.instruction.attributes)
        return facts
