/* Closed form of a capacitor behind lines, as freeml/energy/linear.py has it: V' = slope - k (V - V0). */
#ifndef FML_LINEAR_H
#define FML_LINEAR_H

/* V(t) - V(0), with slope V'(0) in V/s and rate k in 1/s. */
double fml_change_v(double slope, double k, double t_s);

/* When V has changed by so much; infinite where it never does. */
double fml_time_to_s(double slope, double k, double change);

/* Integrals of V and of V^2 over the time, in V s and V^2 s. */
void fml_integrals(double v0, double slope, double k, double t_s, double *of_v, double *of_v2);

#endif
