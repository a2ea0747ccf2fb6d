"""Fingerprints of spaces and keys of architectures are in the logs of studies: they stay equal."""

from hashlib import sha256
from random import Random

import pytest

import nasturtium as nas

# By space: the fingerprint of its decisions, and a hash of the keys of 40 samples.
RECORDED = {
    "anynet": ("5b2a90555e9d78fc", "3ffb0a4596918fd9"),
    "anynet_b": ("e8d093a868563305", "c5b4892f5bb1c709"),
    "anynet_c": ("a8b772b65df51977", "a8b4598c1600961f"),
    "anynet_d": ("a8b772b65df51977", "eb62eae1f66d43bf"),
    "anynet_e": ("a8b772b65df51977", "31514bb0791e95ed"),
    "chain": ("d395cb4ed06421bd", "2fbe8df5478e5750"),
    "darts": ("2d070475c375d555", "0fadd0f8a17bf29d"),
    "efficientnet": ("2bfd21e077d30176", "32faea92c0d653e5"),
    "mlp": ("2b38de2209a5839b", "6a0a4fffd5f1091d"),
    "mobilenet": ("e8720f796f6503f2", "c2ec1ff359719b8d"),
    "nasbench101": ("66b255d02c5e0162", "86ec0c250e56baa6"),
    "nasbench201": ("691d7920aabf9c8f", "d69a0dd369d92bb3"),
    "nasbenchmacro": ("84cedf13fb65a422", "757819b9959d7e51"),
    "nasnet": ("04c16ddf3fe5117b", "c3268edebefae0a4"),
    "nasrl": ("ac5478446a5c6ae3", "355842d4320d3004"),
    "ofa": ("3630fb076b78cf69", "22fe4c5358924be1"),
    "proxyless": ("01ea6e7b8b478740", "81bf2071c032243b"),
    "randwired": ("8e924683a999875b", "8d93bb2cc840561b"),
    "regnet": ("7f2d879eaa68aa1e", "39b1e94a857b4368"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_fingerprints_and_keys_are_those_of_recorded_studies(name):
    space, rng = getattr(nas.zoo, name), Random(1)
    keys = repr([space.sample(rng).key for _ in range(40)])
    sampled = sha256(keys.encode()).hexdigest()[:16]
    assert (space.describe()["fingerprint"], sampled) == RECORDED[name]
