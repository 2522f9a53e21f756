/* Walks two operands in the row-major order of a common shape, with broadcasting. */
#ifndef FML_WALK_H
#define FML_WALK_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t dims[4], index[4];
    uint32_t a_strides[4], b_strides[4];
    size_t a, b; /* offsets of the current element */
} fml_walk_t;

/* At element `first`. Dimensions that both operands cross with one stride become one, so that operands of the same
 * shape are a single run. */
static inline void fml_walk_start(fml_walk_t *at, const uint16_t *dims, const uint32_t *a_strides,
                                  const uint32_t *b_strides, uint32_t first) {
    uint8_t to = 3;
    at->dims[3] = dims[3];
    at->a_strides[3] = a_strides[3];
    at->b_strides[3] = b_strides[3];
    for (uint8_t from = 3; from-- > 0;) {
        const uint32_t inner = at->dims[to];
        if (dims[from] == 1 ||
            (a_strides[from] == at->a_strides[to] * inner && b_strides[from] == at->b_strides[to] * inner)) {
            at->dims[to] = inner * dims[from];
        } else {
            to--;
            at->dims[to] = dims[from];
            at->a_strides[to] = a_strides[from];
            at->b_strides[to] = b_strides[from];
        }
    }
    while (to-- > 0) {
        at->dims[to] = 1;
        at->a_strides[to] = at->b_strides[to] = 0;
    }
    at->a = at->b = 0;
    for (uint8_t k = 4; k-- > 0;) {
        at->index[k] = first % at->dims[k];
        first /= at->dims[k];
        at->a += (size_t)at->index[k] * (size_t)at->a_strides[k];
        at->b += (size_t)at->index[k] * (size_t)at->b_strides[k];
    }
}

/* How many of n elements follow with the innermost strides. */
static inline uint32_t fml_walk_run(const fml_walk_t *at, uint32_t n) {
    const uint32_t left = at->dims[3] - at->index[3];
    return n < left ? n : left;
}

/* Past a run. */
static inline void fml_walk_next(fml_walk_t *at, uint32_t run) {
    at->index[3] += run;
    at->a += (size_t)run * (size_t)at->a_strides[3];
    at->b += (size_t)run * (size_t)at->b_strides[3];
    for (uint8_t k = 3; k > 0 && at->index[k] == at->dims[k]; k--) {
        at->index[k] = 0;
        at->index[k - 1]++;
        at->a += (size_t)at->a_strides[k - 1] - (size_t)at->dims[k] * (size_t)at->a_strides[k];
        at->b += (size_t)at->b_strides[k - 1] - (size_t)at->dims[k] * (size_t)at->b_strides[k];
    }
}

#endif
