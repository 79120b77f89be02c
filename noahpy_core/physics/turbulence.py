"""Exchange of heat and momentum between surface and air: three schemes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from noahpy_core.constants import VON_KARMAN
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, positive_part, safe_divide, safe_power, safe_sqrt
from noahpy_core.parameters import GeneralParameters
from noahpy_core.physics.atmosphere import VIRTUAL_FACTOR, Air
from noahpy_core.state import SurfaceMemory

VISCOSITY_FACTOR = 258.2
"""Inverse square root of the kinematic viscosity of air. [s0.5 m-1]"""
CONVECTIVE_VELOCITY_FACTOR = 1.2**2
MIXED_LAYER_DEPTH = 1000.0
"""[m]"""


class Conductance(NamedTuple):
    """Exchange coefficient times wind speed, ``[column]``, and the bulk Richardson number of the layer."""

    heat: Tensor
    momentum: Tensor
    richardson: Tensor


class Zilitinkevich1995(ModelPart):
    """One coefficient of the thermal roughness length for every surface (Zilitinkevich 1995)."""

    def forward(self, roughness_length: Tensor, parameters: GeneralParameters) -> Tensor:
        """Coefficient of the thermal roughness length, ``[column]``. [1]

        Parameters
        ----------
        roughness_length : For momentum, ``[column]``. [m]
        parameters : The coefficient of the first scheme is read.
        """
        return parameters.zilitinkevich_coefficient.expand_as(roughness_length)


class ChenZhang2009(ModelPart):
    """Coefficient falling with roughness: 10^(-0.4 z_0/0.07 m) (Chen and Zhang 2009, doi:10.1029/2009GL037980)."""

    def forward(self, roughness_length: Tensor, parameters: GeneralParameters) -> Tensor:
        """Coefficient of the thermal roughness length, ``[column]``. [1]

        Parameters
        ----------
        roughness_length : For momentum, ``[column]``. [m]
        parameters : None is read.
        """
        return 10.0 ** (-0.40 * (roughness_length / 0.07))


def convective_velocity_squared(buoyancy_flux: Tensor) -> Tensor:
    """Square of Beljaars' gustiness velocity, 1.44 |g/T h C_h dT|^(2/3). [m2 s-2]"""
    return CONVECTIVE_VELOCITY_FACTOR * safe_power(buoyancy_flux.abs(), 2.0 / 3.0)


class Paulson1970(ModelPart):
    """The default of Noah 3.4.1: Paulson's stability functions, thermal roughness by Zilitinkevich (Chen et al. 1997).

    Five under-relaxed iterations start from the conductances of the previous step. No Richardson number is computed.
    """

    ITERATIONS = 5
    BUOYANCY = 9.8 / 270.0
    SMALLEST_FRICTION_VELOCITY = 0.07
    LARGEST_STABILITY, SMALLEST_STABILITY = 1.0, -5.0
    HALF_PI = 3.14159265 / 2.0

    def __init__(self, thermal_roughness: nn.Module) -> None:
        super().__init__()
        self.thermal_roughness = thermal_roughness

    def forward(
        self, memory: SurfaceMemory, skin_temperature: Tensor, air: Air, parameters: GeneralParameters
    ) -> Conductance:
        """Conductances for heat and momentum [m s-1] and the Richardson number [1], ``[column]``.

        Parameters
        ----------
        memory : Roughness lengths, humidity and conductances of the step before.
        skin_temperature : ``[column]``. [K]
        air : At its heights.
        parameters : For the thermal roughness.
        """
        z0, z_wind, z_air = memory.roughness_length, air.wind_height, air.temperature_height
        roughness_factor = -self.thermal_roughness(z0, parameters) * VON_KARMAN * VISCOSITY_FACTOR
        smallest = 0.001 / z_wind
        virtual = 1.0 + VIRTUAL_FACTOR * air.humidity
        contrast = air.potential_temperature * virtual - skin_temperature * virtual
        wind_squared = at_least(air.wind_speed**2, 1.0e-4)
        heat, momentum = memory.aerodynamic_conductance, memory.momentum_conductance

        def friction_velocity(momentum: Tensor, heat: Tensor) -> Tensor:
            gusts = convective_velocity_squared(self.BUOYANCY * MIXED_LAYER_DEPTH * heat * contrast)
            return at_least(torch.sqrt(momentum * torch.sqrt(wind_squared + gusts)), self.SMALLEST_FRICTION_VELOCITY)

        def inverse_length(heat: Tensor, speed: Tensor) -> Tensor:
            return VON_KARMAN * self.BUOYANCY * heat * contrast / speed**3

        speed = friction_velocity(momentum, heat)
        z0_heat = torch.exp(roughness_factor * torch.sqrt(speed * z0)) * z0
        obukhov = inverse_length(heat, speed)
        for _ in range(self.ITERATIONS):
            top_heat = z_air + z0_heat
            obukhov = at_least(top_heat * obukhov, self.SMALLEST_STABILITY) / top_heat
            profile_momentum = self._profile(obukhov, z_wind + z0, z0, heat=False)
            profile_heat = self._profile(obukhov, top_heat, z0_heat, heat=True)
            speed = friction_velocity(momentum, heat)
            z0_heat_next = torch.exp(roughness_factor * torch.sqrt(speed * z0)) * z0
            momentum = at_least(speed * VON_KARMAN / profile_momentum, smallest)
            heat = at_least(speed * VON_KARMAN / profile_heat, smallest)
            obukhov = 0.15 * obukhov + 0.85 * inverse_length(heat, speed)
            z0_heat = z0_heat_next
        return Conductance(heat, momentum, torch.zeros_like(heat))

    def _profile(self, obukhov: Tensor, top: Tensor, bottom: Tensor, *, heat: bool) -> Tensor:
        """Integrated gradient function between two heights (Paulson 1970; linear with slope 5 when stable)."""
        neutral = torch.log(top / bottom)
        zeta_top, zeta_bottom = top * obukhov, bottom * obukhov
        stable = 5.0 * at_most(zeta_top, self.LARGEST_STABILITY) - 5.0 * zeta_bottom
        unstable = self._unstable(at_most(zeta_top, 0.0), heat) - self._unstable(at_most(zeta_bottom, 0.0), heat)
        return torch.where(obukhov < 0, unstable, stable) + neutral

    def _unstable(self, zeta: Tensor, heat: bool) -> Tensor:
        x = torch.sqrt(torch.sqrt(1.0 - 16.0 * zeta))
        second = torch.log((x * x + 1.0) * 0.5)
        if heat:
            return -2.0 * second
        return -2.0 * torch.log((x + 1.0) * 0.5) - second + 2.0 * torch.atan(x) - self.HALF_PI


class Chen1997(ModelPart):
    """The scheme of the Mellor-Yamada-Janjic surface layer over land (Janjic 1994; Chen et al. 1997).

    Five iterations from the conductances of the previous step. The stability functions are tabulated at 10,001 points
    and interpolated linearly, as in the original, because the interpolation is felt in the ninth digit.
    """

    ITERATIONS = 5
    TABLE_SIZE = 10001
    LOW, HIGH = -5.0, 1.0
    CRITICAL_RICHARDSON = 0.505
    MOISTURE_FACTOR = 461.6 / 287.0 - 1.0
    KAPPA = 2.0 / 7.0
    GRAVITY = 9.81
    HALF_PI = 3.1415926 / 2.0

    table: Tensor
    own_table: Tensor

    def __init__(self, thermal_roughness: nn.Module) -> None:
        super().__init__()
        self.thermal_roughness = thermal_roughness
        self.spacing = (self.HIGH - self.LOW) / (self.TABLE_SIZE - 1)
        zeta = self.LOW + self.spacing * torch.arange(self.TABLE_SIZE, dtype=torch.float64)
        x = torch.sqrt(torch.sqrt(1.0 - 16.0 * zeta.clamp(max=0.0)))
        second = torch.log((x * x + 1.0) / 2.0)
        unstable = -2.0 * torch.log((x + 1.0) / 2.0) - second + 2.0 * torch.atan(x) - self.HALF_PI
        stable = 0.7 * zeta + 0.75 * zeta * (6.0 - 0.35 * zeta) * torch.exp(-0.35 * zeta)
        momentum = torch.where(zeta < 0, unstable, stable)
        heat = torch.where(zeta < 0, -2.0 * second, stable)
        self.register_buffer("table", torch.cat([momentum, heat]), persistent=False)
        self.register_buffer("own_table", torch.tensor([[0], [self.TABLE_SIZE]]), persistent=False)

    def forward(
        self, memory: SurfaceMemory, skin_temperature: Tensor, air: Air, parameters: GeneralParameters
    ) -> Conductance:
        """Conductances for heat and momentum [m s-1] and the Richardson number [1], ``[column]``.

        Parameters
        ----------
        memory : Roughness lengths, humidity and conductances of the step before.
        skin_temperature : ``[column]``. [K]
        air : At its heights.
        parameters : For the thermal roughness.
        """
        z0, z_wind, z_air = memory.roughness_length, air.wind_height, air.temperature_height
        buoyancy, contrast = self._buoyancy(memory, skin_temperature, air)
        wind_squared = at_least(air.wind_speed**2, 1.0e-6)
        richardson = buoyancy * contrast * z_wind * z_wind / wind_squared / z_air
        roughness_factor = self._roughness_factor(z0, richardson, contrast, parameters)
        top_momentum, top_heat = z_wind + z0, z_air + z0
        smallest = 1.0e-4 / z_air
        heat, momentum = memory.aerodynamic_conductance, memory.momentum_conductance
        gusts = convective_velocity_squared(buoyancy * MIXED_LAYER_DEPTH * heat * contrast)
        for _ in range(self.ITERATIONS):
            speed = at_least(torch.sqrt(momentum * torch.sqrt(wind_squared + gusts)), 1.0e-9)
            z0_base = memory.snow_free_roughness_length
            z0_heat = at_least(torch.exp(roughness_factor * torch.sqrt(speed * z0_base)) * z0_base, 1.0e-28)
            obukhov = VON_KARMAN * buoyancy * heat * contrast / speed**3
            top = torch.stack([top_momentum, top_heat])
            profile_momentum, profile_heat = self._profiles(obukhov, top, torch.stack([z0, z0_heat]))
            momentum = at_least(speed * VON_KARMAN / profile_momentum, smallest)
            heat = at_least(speed * VON_KARMAN / profile_heat, smallest)
            unstable_gusts = convective_velocity_squared(buoyancy * MIXED_LAYER_DEPTH * heat * contrast)
            gusts = torch.where(contrast <= 0, unstable_gusts, 0.0)
        return Conductance(heat, momentum, richardson)

    def _buoyancy(self, memory: SurfaceMemory, skin_temperature: Tensor, air: Air) -> tuple[Tensor, Tensor]:
        """g over potential temperature [m s-2 K-1], and the virtual potential temperature contrast [K]."""
        exner = (1.0e5 / air.pressure) ** self.KAPPA
        theta_air, theta_skin = air.temperature * exner, skin_temperature * exner
        q_air, q_skin = air.humidity, memory.specific_humidity
        moist = (theta_air + theta_skin) * 0.5 * self.MOISTURE_FACTOR
        contrast = (theta_air - theta_skin) * ((q_air + q_skin) * (0.5 * self.MOISTURE_FACTOR) + 1.0) + (
            q_air - q_skin
        ) * moist
        return self.GRAVITY / theta_air, contrast

    def _roughness_factor(
        self, z0: Tensor, richardson: Tensor, contrast: Tensor, parameters: GeneralParameters
    ) -> Tensor:
        """Exponent factor of the thermal roughness length, up to eleven times larger in stable air."""
        neutral = -self.thermal_roughness(z0, parameters) * VON_KARMAN * VISCOSITY_FACTOR
        stability = at_most(richardson / self.CRITICAL_RICHARDSON, 1.0)
        return torch.where(contrast > 0, neutral * (1.0 + stability * stability * 10.0), neutral)

    def _profiles(self, obukhov: Tensor, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient functions for momentum and heat (first dimension) integrated between two heights."""
        highest, ratio = self.HIGH - 1.0e-6, top / bottom
        zeta_top = between(top * obukhov, self.LOW, highest)
        zeta_bottom = between(bottom * obukhov, self.LOW / ratio, highest / ratio)
        psi_top, psi_bottom = self._interpolate(torch.stack([zeta_top, zeta_bottom])).unbind(0)
        momentum, heat = (psi_top - psi_bottom + torch.log(ratio)).unbind(0)
        return momentum, heat

    def _interpolate(self, zeta: Tensor) -> Tensor:
        """Table values at ``[..., momentum or heat, column]``."""
        table = self.table.to(zeta.dtype)
        position = (zeta - self.LOW) / self.spacing
        index = position.to(torch.int64).clamp(0, self.TABLE_SIZE - 2)
        place = index + self.own_table
        start = table[place]
        return (table[place + 1] - start) * (position - index) + start


class Yang2008(ModelPart):
    """Thermal roughness after Yang et al. 2008 with Hogstrom's stability functions (Yang et al. 2001 for the length).

    Three iterations from neutral; nothing of the previous step is needed, and the conductance for momentum is left as
    it is.
    """

    ITERATIONS = 3
    PRANDTL_STABLE, PRANDTL_UNSTABLE = 1.0, 0.95
    GAMMA_MOMENTUM, GAMMA_HEAT = 19.0, 11.6
    BETA_MOMENTUM, BETA_HEAT = 5.3, 8.0
    GAS_CONSTANT, HEAT_CAPACITY, GRAVITY = 287.0, 1004.0, 9.8

    def __init__(self, thermal_roughness: nn.Module) -> None:
        super().__init__()

    def forward(
        self, memory: SurfaceMemory, skin_temperature: Tensor, air: Air, parameters: GeneralParameters
    ) -> Conductance:
        """Conductances for heat and momentum [m s-1] and the Richardson number [1], ``[column]``.

        Parameters
        ----------
        memory : Roughness lengths, humidity and conductances of the step before.
        skin_temperature : ``[column]``. [K]
        air : At its heights.
        parameters : For the thermal roughness.
        """
        z0, z_wind, z_air = memory.roughness_length, air.wind_height, air.temperature_height
        wind = at_least(air.wind_speed, 0.01)
        density = air.pressure / (self.GAS_CONSTANT * air.temperature * (1.0 + VIRTUAL_FACTOR * air.humidity))
        exner = (air.pressure / (air.pressure - density * 9.81 * z_air)) ** (self.GAS_CONSTANT / self.HEAT_CAPACITY)
        theta = air.temperature * exner
        contrast = theta - skin_temperature
        viscosity = 1.328e-5 * (1.0e5 / air.pressure) * (theta / 273.15) ** 1.754
        speed = VON_KARMAN / torch.log(z_wind / z0) * wind
        scale = VON_KARMAN / torch.log(z_air / z0) * contrast
        for _ in range(self.ITERATIONS):
            z0_heat = 70.0 * viscosity / speed * torch.exp(-7.2 * torch.sqrt(speed) * safe_power(scale.abs(), 0.25))
            z0_heat = at_most(at_least(z0_heat, 1.0e-10), z_air / 10.0)
            inverse_length, richardson = self._inverse_length(z_wind, z_air, z0, z0_heat, contrast, theta, wind)
            drag, heat_factor = self._factors(inverse_length, z_wind, z_air, z0, z0_heat)
            speed, scale = drag * wind, heat_factor * contrast
        return Conductance(at_least(speed * heat_factor, 0.001 / z_wind), memory.momentum_conductance, richardson)

    def _inverse_length(
        self, z_wind: Tensor, z_air: Tensor, z0: Tensor, z0_heat: Tensor, contrast: Tensor, theta: Tensor, wind: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Inverse Obukhov length [m-1] from the bulk Richardson number, without iteration (Yang et al. 2001)."""
        bulk = (self.GRAVITY / theta) * contrast * (z_wind - z0) / wind**2
        log_wind, log_heat = torch.log(z_wind / z0), torch.log(z_air / z0_heat)
        unstable_bulk = between(bulk, -10.0, -1.0e-30)
        d = unstable_bulk / self.PRANDTL_UNSTABLE
        neutral = d * (log_wind**2 / log_heat) / (z_wind - z0)
        a, b, c = torch.log(-d), torch.log(log_wind), torch.log(log_heat)
        p = positive_part(
            0.03728 - 0.093143 * a - 0.24069 * b + 0.30616 * c + 0.017131 * a * a + 0.037666 * a * b
            - 0.084598 * b * b - 0.016498 * a * c + 0.1828 * b * c - 0.12587 * c * c
        )  # fmt: skip
        slope = d * self.GAMMA_MOMENTUM**2 / 8.0 / self.GAMMA_HEAT * (z_wind - z0) / (z_air - z0_heat)
        unstable = safe_divide(neutral, 1.0 - slope * p)

        limit = self.PRANDTL_STABLE * self.BETA_HEAT * (1.0 - z0_heat / z_air)
        limit = limit / self.BETA_MOMENTUM**2 / (1.0 - z0 / z_wind) - 0.05
        stable_bulk = at_most(at_most(positive_part(bulk), 0.2), limit)
        d = stable_bulk / self.PRANDTL_STABLE
        a = d * self.BETA_MOMENTUM**2 * (z_wind - z0) - self.BETA_HEAT * (z_air - z0_heat)
        b = 2.0 * d * self.BETA_MOMENTUM * log_wind - log_heat
        c = d * log_wind**2 / (z_wind - z0)
        stable = safe_divide(-b - safe_sqrt((b * b - 4.0 * a * c).abs()), 2.0 * a)

        inverse = torch.where(bulk < 0, unstable, stable)
        inverse = torch.where((inverse > 0) & (inverse < 1.0e-6), 1.0e-6, inverse)
        inverse = torch.where((inverse < 0) & (inverse > -1.0e-6), -1.0e-6, inverse)
        return inverse, torch.where(bulk < 0, at_least(bulk, -10.0), stable_bulk)

    def _factors(
        self, inverse_length: Tensor, z_wind: Tensor, z_air: Tensor, z0: Tensor, z0_heat: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Friction velocity over wind speed, and temperature scale over temperature contrast."""
        log_wind, log_heat = torch.log(z_wind / z0), torch.log(z_air / z0_heat)
        negative = at_most(inverse_length, 0.0)
        x_top = torch.sqrt(torch.sqrt(1.0 - self.GAMMA_MOMENTUM * z_wind * negative))
        x_low = torch.sqrt(torch.sqrt(1.0 - self.GAMMA_MOMENTUM * z0 * negative))
        psi_wind = (
            2.0 * torch.log((1.0 + x_top) / (1.0 + x_low))
            + torch.log((1.0 + x_top**2) / (1.0 + x_low**2))
            - 2.0 * torch.atan(x_top)
            + 2.0 * torch.atan(x_low)
        )
        y_top = torch.sqrt(1.0 - self.GAMMA_HEAT * z_air * negative)
        y_low = torch.sqrt(1.0 - self.GAMMA_HEAT * z0_heat * negative)
        psi_heat = 2.0 * torch.log((1.0 + y_top) / (1.0 + y_low))
        unstable_wind = at_least(log_wind - psi_wind, 0.50 * log_wind)
        unstable_heat = at_least(log_heat - psi_heat, 0.33 * log_wind) * self.PRANDTL_UNSTABLE

        positive = positive_part(inverse_length)
        stable_wind = log_wind + at_most(self.BETA_MOMENTUM * (z_wind - z0) * positive, self.BETA_MOMENTUM)
        stable_heat = log_heat + at_most(self.BETA_HEAT * (z_air - z0_heat) * positive, self.BETA_HEAT)
        stable_wind = at_most(stable_wind, 2.0 * log_wind)
        stable_heat = at_most(stable_heat, 2.0 * log_wind) * self.PRANDTL_STABLE
        unstable = inverse_length < 0
        return (
            VON_KARMAN / torch.where(unstable, unstable_wind, stable_wind),
            VON_KARMAN / torch.where(unstable, unstable_heat, stable_heat),
        )
