"""Profiles of conductivity within layers: what they say at the faces, and where there are none."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.duals import Dual
from noahpy_core.physics.retention import PoreSpace, pore_space
from noahpy_core.physics.richards_profile import LEAST, MOST, Profile, at_face, profile_of

LOAM, GRAVEL = (5.25, 0.355, 0.439, 3.38e-6), (2.79, 0.069, 0.2, 1.41e-4)
"""b, suction [m], porosity, conductivity [m s-1]."""


def layers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def soil(*kinds: tuple[float, ...]) -> PoreSpace:
    return pore_space(*(layers(*parts) for parts in zip(*kinds, strict=True)))


def profile(saturation: Tensor, thickness: Tensor, pores: PoreSpace) -> Profile:
    return profile_of(saturation * pores.room, pores, thickness, torch.ones_like(thickness))


def test_even_full_and_dry_layers_have_no_profile():
    pores, thickness = soil(*[LOAM] * 4), layers(0.1, 0.2, 0.3, 0.1)
    for saturation in (layers(0.6, 0.6, 0.6, 0.6), layers(0.7, 1.0, 1.0, 1.0), layers(0.01, 0.02, 0.01, 0.02)):
        found = profile(saturation, thickness, pores)
        assert not found.top.any()
        assert not found.bottom.any()


def test_faces_of_a_profile_linear_in_the_logarithm_of_saturation_have_its_conductivity():
    pores, thickness = soil(*[LOAM] * 4), layers(0.1, 0.1, 0.1, 0.1)
    saturation = torch.exp(layers(-0.5, -0.48, -0.46, -0.44))
    found = profile(saturation, thickness, pores)
    power = 2.0 * LOAM[0] + 3.0
    assert torch.allclose(found.bottom[1:-1], torch.exp(layers(*[0.01 * power] * 2)) - 1.0, rtol=1e-12)
    assert torch.allclose(found.top[1:-1], torch.exp(layers(*[-0.01 * power] * 2)) - 1.0, rtol=1e-12)
    assert not found.bottom[[0, -1]].any()


def test_the_wettest_and_the_driest_layer_have_no_profile():
    found = profile(layers(0.5, 0.6, 0.4, 0.5, 0.5), layers(*[0.1] * 5), soil(*[GRAVEL] * 5))
    assert not found.top[1:4].any()


def test_horizons_at_one_head_have_no_profile():
    kinds = (LOAM, GRAVEL, LOAM, GRAVEL)
    saturation = layers(*((suction / 0.5) ** (1.0 / b) for b, suction, _, _ in kinds))
    found = profile(saturation, layers(0.1, 0.1, 0.1, 0.1), soil(*kinds))
    assert torch.allclose(found.bottom, torch.zeros_like(found.bottom), atol=1e-13)


def test_conductivity_at_a_face_grows_with_that_of_the_layer_and_ends_at_it_where_the_layer_fills():
    now, start = torch.logspace(-16, -3, 400, dtype=torch.float64), torch.tensor(1.0e-8, dtype=torch.float64)
    for excess in (LEAST, -0.2, 0.0, 0.4, MOST):
        flow = Dual(now, torch.ones_like(now))
        face = flow * at_face(flow, start, torch.full_like(now, excess))
        assert face.upper is not None
        assert (face.upper > -1e-15).all()
        assert (face.value >= 0.0).all()
        assert (face.value - now).abs().max() <= 2.0 * abs(excess) * start
        at_start = at_face(Dual(start), start, torch.tensor(excess, dtype=torch.float64))
        assert torch.allclose(at_start.value, torch.tensor(1.0 + excess, dtype=torch.float64), rtol=1e-14)
