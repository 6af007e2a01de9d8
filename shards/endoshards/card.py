"""What lets other libraries open a set by its folder: timm's split info, and the data card Hugging Face reads."""

from __future__ import annotations

import json
from collections.abc import Mapping

from endoshards.index import Index

HEAD = ("license", "pretty_name")
"""Entries of a card that belong to its YAML head."""


def timm_info(index: Index) -> str:
    """`_info.json`: one split, `train`."""
    split = {
        "name": "train",
        "num_samples": index.total,
        "filenames": [shard.name for shard in index.shards],
        "shard_lengths": [shard.samples for shard in index.shards],
    }
    return json.dumps({"splits": {"train": split}}, indent=1, sort_keys=True) + "\n"


def data_card(index: Index, card: Mapping[str, str]) -> str:
    """`README.md`: a YAML head whose `configs` name the tars, then what the set holds and how it is read."""
    # JSON strings are YAML strings, whatever they hold.
    head = [f"{name}: {json.dumps(card[name], ensure_ascii=False)}" for name in HEAD if name in card]
    head += ["configs:", "- config_name: default", "  data_files:", "  - split: train", '    path: "shard-*.tar"']
    facts = {
        "samples": f"{index.total:,}",
        "shards": f"{len(index.shards):,} ({sum(shard.bytes for shard in index.shards):,} bytes)",
        "members of a sample": ", ".join(f"`.{kind}`" for kind in index.extensions),
        **{f"keys of `.{kind}`": ", ".join(f"`{key}`" for key in keys) for kind, keys in index.json_keys.items()},
        "content fingerprint": f"`{index.content_fingerprint}`",
    }
    facts |= {name: " ".join(text.split()) for name, text in card.items() if name not in HEAD}
    lines = ["---", *head, "---", "", f"# {' '.join(index.name.split())}", ""]
    lines += [f"- **{name}**: {text}" for name, text in facts.items()]
    lines += [
        "",
        "Plain tar files; a sample is the members that share a name up to the first dot. Samples stand in a shuffled",
        "order. Opened as they are by `webdataset`, `wids` (`index.json`), DALI (`shard-*.idx`), timm (`_info.json`)",
        "and Hugging Face `datasets`; by `endoshards.index.open_set` with checksums compared.",
        "",
    ]
    return "\n".join(lines)
