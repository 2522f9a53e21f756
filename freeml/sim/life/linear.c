#include "linear.h"

#include <math.h>
#include <stddef.h>

/* Below, the closed forms lose digits and their series do not. */
#define SERIES_BELOW 0.5
#define SHORT_BELOW 1e-3 /* the same series with fewer terms */
#define TERMS 16
#define SHORT_TERMS 6

/* (-1)^n / (n + 2)!, and (-1)^(n + 3) (2 - 2^(n + 2)) / (n + 3)!, from n = 0 on. */
static const double PHI[TERMS] = {
    1.0 / 2, -1.0 / 6, 1.0 / 24, -1.0 / 120, 1.0 / 720, -1.0 / 5040, 1.0 / 40320, -1.0 / 362880, 1.0 / 3628800,
    -1.0 / 39916800, 1.0 / 479001600, -1.0 / 6227020800.0, 1.0 / 87178291200.0, -1.0 / 1307674368000.0,
    1.0 / 20922789888000.0, -1.0 / 355687428096000.0};
static const double PSI[TERMS] = {
    2.0 / 6, -6.0 / 24, 14.0 / 120, -30.0 / 720, 62.0 / 5040, -126.0 / 40320, 254.0 / 362880, -510.0 / 3628800,
    1022.0 / 39916800, -2046.0 / 479001600, 4094.0 / 6227020800.0, -8190.0 / 87178291200.0,
    16382.0 / 1307674368000.0, -32766.0 / 20922789888000.0, 65534.0 / 355687428096000.0,
    -131070.0 / 6402373705728000.0};

double fml_change_v(double slope, double k, double t_s)
{
    double x = k * t_s;
    if (x == 0) {
        return slope * t_s;
    }
    if (fabs(x) < SHORT_BELOW) { /* the next term is below 1e-16 of it */
        return slope * t_s * (1 + x * (-1.0 / 2 + x * (1.0 / 6 + x * (-1.0 / 24 + x * (1.0 / 120)))));
    }
    return slope * t_s * (-expm1(-x) / x);
}

double fml_time_to_s(double slope, double k, double change)
{
    double y;
    if (change == 0) {
        return 0;
    }
    if (slope == 0 || (change > 0) != (slope > 0)) {
        return HUGE_VAL;
    }
    y = k * change / slope;
    if (y >= 1) {
        return HUGE_VAL;
    }
    return y == 0 ? change / slope : change / slope * (-log1p(-y) / y);
}

static double series(const double *terms, double x)
{
    double sum = 0;
    int n = fabs(x) < SHORT_BELOW ? SHORT_TERMS : TERMS;
    while (n-- > 0) {
        sum = sum * x + terms[n];
    }
    return sum;
}

void fml_integrals(double v0, double slope, double k, double t_s, double *of_v, double *of_v2)
{
    double x = k * t_s, phi, psi, moved = slope * t_s;
    if (fabs(x) < SERIES_BELOW) {
        phi = series(PHI, x);
        psi = series(PSI, x);
    } else {
        double once = expm1(-x);
        phi = (x + once) / (x * x);
        psi = (x + 2 * once - expm1(-2 * x) / 2) / (x * x * x);
    }
    *of_v = t_s * (v0 + moved * phi);
    *of_v2 = t_s * (v0 * v0 + 2 * v0 * moved * phi + moved * moved * psi);
}
