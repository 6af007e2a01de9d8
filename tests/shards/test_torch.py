"""The `webdataset` library, timm's reader and `torch.utils.data` open a set as it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import simplejpeg

webdataset = pytest.importorskip("webdataset")


def test_the_webdataset_library_opens_the_tars_unchanged(shared_set, maker) -> None:
    urls = [str(shared_set.folder / shard.name) for shard in shared_set.shards]
    found = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert [sample["__key__"] for sample in found] == [
        key for shard in range(len(shared_set.shards)) for key in shared_set.keys(shard)
    ]
    for sample in found:
        members = {kind: data for kind, data in sample.items() if not kind.startswith("__")}
        assert members == maker.members(sample["__key__"])


def test_it_decodes_pictures_masks_and_json(shared_set) -> None:
    from endoshards.torch import as_webdataset

    samples = as_webdataset(shared_set.folder, shuffled_shards=0).decode("rgb8").to_tuple("jpg", "mask.png", "json")
    image, mask, said = next(iter(samples))
    assert image.shape == mask.shape == (24, 32, 3)
    assert (image == simplejpeg.decode_jpeg(shared_set.read(0, 0).members["jpg"])).all()
    assert said == json.loads(shared_set.read(0, 0).members["json"])
    assert mask.dtype == np.uint8


def test_as_webdataset_gives_each_sample_once_over_two_workers(shared_set) -> None:
    import torch

    from endoshards.torch import as_webdataset

    loader = torch.utils.data.DataLoader(as_webdataset(shared_set.folder, seed=3), batch_size=None, num_workers=2)
    found = [sample["__key__"] for sample in loader]
    stored = [key for shard in range(len(shared_set.shards)) for key in shared_set.keys(shard)]
    assert sorted(found) == sorted(stored)
    assert found != stored


def test_timm_finds_its_split(shared_set) -> None:
    """The two steps of timm's own reader, on the file as it lies."""
    said = json.loads((shared_set.folder / "_info.json").read_text())["splits"]["train"]
    assert said["name"] == "train"
    assert said["num_samples"] == 40
    assert said["filenames"] == [shard.name for shard in shared_set.shards]
    assert said["shard_lengths"] == [shard.samples for shard in shared_set.shards]
