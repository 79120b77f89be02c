/* Half of a land surface step for one column after the other: heat and water of the soil.
 *
 * What the same kind of arithmetic costs as plain loops over layers: heat capacity, thermal conductivity, an implicit
 * heat step, hydraulic conductivity and diffusivity, an implicit step of soil water, and what is too much handed down.
 * A yardstick of speed; phase change and the surface are left out.
 */
#include <math.h>

#define MOST_LAYERS 64

static const double WATER_HEAT = 4.2e6, ICE_HEAT = 2.1e6, ROCK_HEAT = 2.0e6, AIR_HEAT = 1.0e3;

/* Solves in place: the right-hand side becomes the solution. */
static void solve(int n, const double *lower, double *diagonal, const double *upper, double *right)
{
    for (int k = 1; k < n; k++) {
        double factor = lower[k] / diagonal[k - 1];
        diagonal[k] -= factor * upper[k - 1];
        right[k] -= factor * right[k - 1];
    }
    right[n - 1] /= diagonal[n - 1];
    for (int k = n - 2; k >= 0; k--)
        right[k] = (right[k] - upper[k] * right[k + 1]) / diagonal[k];
}

static double thermal_conductivity(double porosity, double quartz, double liquid, double ice)
{
    double saturation = (liquid + ice) / porosity;
    double unfrozen = porosity * liquid / (liquid + ice);
    double solid = pow(7.7, quartz) * pow(2.0, 1.0 - quartz);
    double wet = pow(solid, 1.0 - porosity) * pow(2.2, porosity - unfrozen) * pow(0.57, unfrozen);
    double density = (1.0 - porosity) * 2700.0;
    double dry = (0.135 * density + 64.7) / (2700.0 - 0.947 * density);
    double kersten = ice > 1e-4 ? saturation : (saturation > 0.1 ? log10(saturation) + 1.0 : 0.0);
    return dry + kersten * (wet - dry);
}

static void heat(int n, double dt, const double *thickness, const double *porosity, const double *quartz,
                 const double *liquid, const double *ice, double flux, double deep, double *temperature)
{
    double lower[MOST_LAYERS], diagonal[MOST_LAYERS], upper[MOST_LAYERS], conductance[MOST_LAYERS];
    for (int k = 0; k < n; k++) {
        double below = k + 1 < n ? thickness[k + 1] : thickness[k];
        conductance[k] = thermal_conductivity(porosity[k], quartz[k], liquid[k], ice[k])
                         / (0.5 * (thickness[k] + below));
    }
    for (int k = 0; k < n; k++) {
        double capacity = liquid[k] * WATER_HEAT + ice[k] * ICE_HEAT + (1.0 - porosity[k]) * ROCK_HEAT
                          + fmax(porosity[k] - liquid[k] - ice[k], 0.0) * AIR_HEAT;
        double scale = dt / (capacity * thickness[k]);
        lower[k] = k ? -scale * conductance[k - 1] : 0.0;
        upper[k] = -scale * conductance[k];
        diagonal[k] = 1.0 - lower[k] - upper[k];
        if (k == 0)
            temperature[k] += scale * flux;
        if (k == n - 1)
            temperature[k] -= upper[k] * deep;
    }
    solve(n, lower, diagonal, upper, temperature);
}

/* Returns what leaves the column. [m] */
static double water(int n, double dt, const double *thickness, const double *porosity, const double *conductivity,
                    const double *potential, const double *exponent, double rain, const double *ice, double *liquid)
{
    double lower[MOST_LAYERS], diagonal[MOST_LAYERS], upper[MOST_LAYERS], gravity[MOST_LAYERS], drained;
    for (int k = 0; k < n; k++) {
        double below = k + 1 < n ? thickness[k + 1] : thickness[k];
        double wet = fmin(fmax(liquid[k] / porosity[k], 0.01), 1.0);
        double impeded = pow(1.0 - fmin(ice[k] / porosity[k], 1.0), 3.0);
        double b = exponent[k];
        double diffusivity = impeded * b * conductivity[k] * potential[k] / porosity[k] * pow(wet, b + 2.0);
        gravity[k] = impeded * conductivity[k] * pow(wet, 2.0 * b + 3.0);
        upper[k] = k + 1 < n ? -dt * diffusivity / (0.5 * (thickness[k] + below)) : 0.0;
    }
    for (int k = 0; k < n; k++) {
        double from_above = k ? gravity[k - 1] : rain;
        lower[k] = k ? upper[k - 1] : 0.0;
        diagonal[k] = thickness[k] - lower[k] - upper[k];
        liquid[k] = liquid[k] * thickness[k] + dt * (from_above - gravity[k]);
    }
    drained = dt * gravity[n - 1];
    solve(n, lower, diagonal, upper, liquid);
    double excess = 0.0;
    for (int k = 0; k < n; k++) {
        double stored = liquid[k] + excess / thickness[k];
        liquid[k] = fmin(stored, porosity[k] - ice[k]);
        excess = (stored - liquid[k]) * thickness[k];
    }
    return drained + excess;
}

/* Soil is [property, layer]: thickness, porosity, quartz, conductivity, potential, exponent. State is [column, layer].
 * Rain is steady, heat comes and goes with the time of day. Returns the water that left the columns. [m] */
double soil_steps(long columns, long steps, long layers, double dt, double rain, const double *soil,
                  double *temperature, double *liquid, const double *ice)
{
    const double *thickness = soil, *porosity = soil + layers, *quartz = soil + 2 * layers;
    const double *conductivity = soil + 3 * layers, *potential = soil + 4 * layers, *exponent = soil + 5 * layers;
    double left = 0.0;
    for (long column = 0; column < columns; column++)
        for (long step = 0; step < steps; step++) {
            long at = column * layers;
            double flux = 40.0 * sin(step * dt * 7.27e-5);
            heat(layers, dt, thickness, porosity, quartz, liquid + at, ice + at, flux, 272.0, temperature + at);
            left += water(layers, dt, thickness, porosity, conductivity, potential, exponent, rain, ice + at,
                          liquid + at);
        }
    return left;
}
