/* Which taps of a sliding window lie inside the input. */
#ifndef FML_WINDOW_H
#define FML_WINDOW_H

#include <stdint.h>

typedef struct {
    uint16_t begin, end;
} fml_range_t;

/* Of k taps at start, start + dil, ..., those in [low, high). Steps over the outside taps, as small cores have no
 * division; inside the image both loops end at once. */
static inline fml_range_t fml_taps_inside(int32_t start, uint16_t k, uint16_t dil, int32_t low, int32_t high) {
    fml_range_t taps = {0, k};
    int32_t last = start + ((int32_t)k - 1) * dil;
    for (; taps.begin < taps.end && start < low; start += dil) {
        taps.begin++;
    }
    for (; taps.begin < taps.end && last >= high; last -= dil) {
        taps.end--;
    }
    return taps;
}

#endif
