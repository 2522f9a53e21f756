/* A convolution with stored weights as one of dense weights, once these are there: what kernels of dense weights are given. */
#ifndef FML_CODED_CONV_INNER_H
#define FML_CODED_CONV_INNER_H

#include "fml_coded_conv.h"
#include "fml_coded_widen.h"

/* Weights in SRAM. */
#ifdef FML_FAR_WEIGHTS
#define FML_WEIGHTS_AT(pointer) ((fml_weights_t)(uintptr_t)(pointer))
#else
#define FML_WEIGHTS_AT(pointer) (pointer)
#endif

/* The geometry and bounds; no weights, biases and scales. */
static inline fml_conv_t fml_coded_conv_inner(const fml_coded_conv_t *c) {
    fml_conv_t l = {0};
    l.in_h = c->in_h;
    l.in_w = c->in_w;
    l.in_c = c->in_c;
    l.out_h = c->out_h;
    l.out_w = c->out_w;
    l.out_c = c->rows.n_out;
    l.groups = c->groups;
    l.k_h = c->k_h;
    l.k_w = c->k_w;
    l.stride_h = c->stride_h;
    l.stride_w = c->stride_w;
    l.dil_h = c->dil_h;
    l.dil_w = c->dil_w;
    l.pad_t = c->pad_t;
    l.pad_l = c->pad_l;
    l.x_zp = c->x_zp;
    l.y_zp = c->rows.y_zp;
    l.lo = c->rows.lo;
    l.hi = c->rows.hi;
    return l;
}

/* Biases and scales of the channels that n units from channel o on have, each as the entry of its number: behind the last
 * channel comes the first. */
static inline void fml_widen_run(const fml_coded_t *l, fml_wide_t wide, uint16_t o, uint32_t n) {
    for (uint16_t left = n < l->n_out ? (uint16_t)n : l->n_out; left > 0; left--) {
        fml_widen(l, wide, o, o);
        o = o + 1u < l->n_out ? (uint16_t)(o + 1) : 0;
    }
}

#endif
