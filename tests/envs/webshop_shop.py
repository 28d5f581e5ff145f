"""A shop of four invented products, in upstream's files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LAMP = {
    "asin": "B000LAMP01",
    "name": "Glowfield Desk Lamp with Brass Arm",
    "full_description": "A lamp for DESKS and shelves.",
    "pricing": "$1,299.50",
    "images": ["https://example.org/lamp.jpg", "https://example.org/lamp2.jpg"],
    "product_category": "Home › Lighting › Desk Lamps",
    "small_description": ["Easy to assemble.", "Energy efficient bulb"],
    "customization_options": {
        "Size": [{"value": "Large", "image": None}, {"value": "small"}],
        "Color": [
            {"value": " Black/Gold ", "image": "https://example.org/bg.jpg"},
            {"value": "White", "image": None},
        ],
    },
    "category": "garden",
    "query": " Desk Lamps ",
}
TEA = {
    "asin": "B000TEA002",
    "name": "Morningmoor Loose Leaf Tea",
    "full_description": "Grown on a hill.",
    "pricing": "$5.00 - $9.99",
    "images": ["https://example.org/tea.jpg"],
    "product_category": "Grocery › Beverages › Tea",
    "small_description": "Caffeine free",
    "customization_options": "",
    "category": "grocery",
    "query": "tea",
}
SOCKS = {
    "asin": "B000SOCK03",
    "name": "Fernfoot Hiking Socks",
    "full_description": "",
    "pricing": "",
    "images": ["https://example.org/socks.jpg"],
    "product_category": "Clothing › Socks",
    "small_description": [],
    "customization_options": {"Color": None, "Size": [{"value": "6/7"}, {"value": "8/9"}]},
    "category": "fashion",
    "query": "socks",
}
CABLE = {
    "asin": "B000CABLE4",
    "name": "Plugwright Charging Cable",
    "full_description": "Two metres.",
    "pricing": "$985",
    "images": ["https://example.org/cable.jpg"],
    "product_category": "Electronics › Cables",
    "small_description": ["Braided"],
    "customization_options": None,
    "category": "electronics",
    "query": "cables",
}
SHOP = (LAMP, TEA, SOCKS, CABLE)
FACTS = {
    "B000LAMP01": {
        "attributes": ["easy assemble", "brass finish"],
        "instruction": "Find me easy assemble desk lamps",
        "instruction_attributes": ["easy assemble", "energy efficient"],
    },
    "B000TEA002": {"attributes": []},
    "B000SOCK03": {
        "attributes": ["machine wash"],
        "instruction": "Find me machine wash socks",
        "instruction_attributes": ["machine wash", "easy assemble"],
    },
}
HUMAN = {
    "B000LAMP01": [
        {"instruction": "a lamp", "instruction_attributes": [], "instruction_options": []},
        {
            "instruction": "i want a large lamp...",
            "instruction_attributes": ["easy assemble"],
            "instruction_options": ["large"],
        },
    ],
    "B000CABLE4": [
        {
            "instruction": "a braided cable.",
            "instruction_attributes": ["braided"],
            "instruction_options": [],
        }
    ],
}


def write_shop(
    folder: Path,
    products: Sequence[Any] = SHOP,
    facts: Mapping[str, Any] = FACTS,
    human: Mapping[str, Any] | None = HUMAN,
    ending: str = "",
) -> Path:
    """Write the three files (two without ``human``); the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"items_shuffle": products, "items_ins_v2": facts, "items_human_ins": human}
    for name, content in files.items():
        if content is not None:
            path = folder / f"{name}{ending}.json"
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return folder
