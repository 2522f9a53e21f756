/* The board interface on this machine: NVM is ordinary memory, samples and energy come from the caller. */
#include "fml_hal_host.h"

#include <string.h>

/* What a board's hardware would hold; freeml's own code keeps no state. */
static const int8_t *const *samples;
static fml_host_report_t *listener;
static uint32_t energy = UINT32_MAX;
static uint32_t elapsed = FML_NO_TIME;
static uintptr_t distance; /* from the window to the NVM */

void fml_host_set_inputs(const int8_t *const *inputs) {
    samples = inputs;
}

void fml_host_set_report(fml_host_report_t *report) {
    listener = report;
}

void fml_host_set_energy_uj(uint32_t energy_uj) {
    energy = energy_uj;
}

void fml_host_set_elapsed_ms(uint32_t elapsed_ms) {
    elapsed = elapsed_ms;
}

void fml_host_set_window(const void *window, void *nvm) {
    distance = (uintptr_t)nvm - (uintptr_t)window;
}

void fml_hal_nvm_write(void *dst, const void *src, size_t n) {
    dst = (void *)((uintptr_t)dst + distance);
    if (n == 2 && ((uintptr_t)dst & 1u) == 0) {
        uint16_t word;
        memcpy(&word, src, sizeof word);
        *(volatile uint16_t *)dst = word;
        return;
    }
    volatile uint8_t *to = dst;
    const uint8_t *from = src;
    for (; n > 0 && ((uintptr_t)to & 3u) != 0; n--) {
        *to++ = *from++;
    }
    for (; n >= 4; n -= 4, to += 4, from += 4) {
        uint32_t word;
        memcpy(&word, from, sizeof word);
        *(volatile uint32_t *)(volatile void *)to = word;
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    memcpy(dst, (const void *)((uintptr_t)src + distance), n);
}

void fml_hal_nvm_barrier(void) {
    /* volatile stores of one thread are in order */
}

int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    if (samples == NULL) {
        return FML_NO_SAMPLE;
    }
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = samples[input][first + i];
    }
    return 0;
}

int fml_hal_report(const fml_model_t *model, const fml_result_t *result) {
    return listener == NULL ? FML_OK : listener(model, result);
}

uint32_t fml_hal_energy_uj(void) {
    return energy;
}

uint32_t fml_hal_elapsed_ms(void) {
    return elapsed;
}
