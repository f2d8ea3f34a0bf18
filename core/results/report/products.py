"""The files of a method's further products, besides the deployed network."""

import json
from pathlib import Path

from core.files.atomic import write_atomically
from core.methods.contract import Products
from core.results.report.aggregation import aggregation_png


def write_products(products: Products, folder: Path) -> list[Path]:
    """Write aggregation.json and aggregation.png (the shares), and teacher.safetensors, as far as there are such
    products. Each file is there whole or not at all.
    """
    contents: dict[str, bytes] = {}
    if products.shares is not None:
        contents["aggregation.json"] = (json.dumps(products.shares, indent=2) + "\n").encode()
        contents["aggregation.png"] = aggregation_png(products.shares)
    if products.teacher is not None:
        contents["teacher.safetensors"] = products.teacher
    return [write_atomically(folder / name, content) for name, content in contents.items()]
