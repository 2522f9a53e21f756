/* A model with one row of each kind that crash safety has to deal with, small enough to explore in an instant: dense,
 * partial sums, sparse (CSR), two copies that interleave, scores; and two decisions on the way, by energy, by what is known
 * so far, and by a policy's state. */
#include "fml_decide.h"
#include "fml_hal.h"
#include "fml_kernels.h"
#include "fml_runtime.h"
#include "fml_stage.h"

#ifndef PROBE_OTHER /* 1 to 400: another model */
#define PROBE_OTHER 0
#endif
#ifndef PROBE_MORE_BYTES /* of NVM */
#define PROBE_MORE_BYTES 0
#endif

extern const fml_model_t probe_model;

/* Arena. Sparse writes over the input, the copies over the dense output. */
enum { INPUT = 0, SPARSE = 0, DENSE = 8, ROWS = 8, PARTS = 16, SCORES = 20, SPARE = 26, ARENA_BYTES = 28 + PROBE_MORE_BYTES };

static const int8_t dense_w[6 * 8] = {3, -7, 21, 9, -4, 15, -30, 8,  11, 2,  -9, 40, -22, 6, 5,  -13, 7,  -18, 3, 26,
                                      9, -1, 4,  2, 33, -8, 12,  -5, 6,  19, 1,  -2, 14, -3, -11, 10, 23, 7,   -6, 4,
                                      -8, 5, 17, 1, -2, 29, 6,   -9};
static const int32_t dense_bias[6] = {100 + 8 * PROBE_OTHER, -250, 30, 0, 77, -5};
static const uint16_t dense_mult[6] = {40000, 50000, 33000, 65000, 45000, 38000};
static const uint8_t dense_shift[6] = {21, 21, 20, 21, 21, 20};
static const fml_dense_t dense = {dense_w, dense_bias, dense_mult, dense_shift, 8, 6, 3, -128, 127};

static const int8_t parts_w[3 * 6] = {90, -70, 55, 33, -44, 21, -65, 100, 12, -9, 71, 40, 23, 15, -86, 58, -39, 77};
static const int32_t parts_bias[3] = {-400, 250, 90};
static const fml_dense_t parts = {parts_w, parts_bias, dense_mult, dense_shift, 6, 3, -2, -128, 127};

static const uint8_t sparse_row[6] = {0, 2, 3, 6, 6, 8};
static const uint8_t sparse_col[8] = {0, 3, 1, 2, 4, 5, 0, 5};
static const int8_t sparse_w[8] = {50, -33, 71, 18, -64, 27, -90, 45};
static const int32_t sparse_bias[5] = {10, -20, 30, 64, 5};

static const fml_copy_t rows_of_sparse = {2, 2, 2, 2}, rows_of_parts = {2, 1, 1, 1};

enum { STOPPED = 24, STEPS }; /* the report without outputs */

static const fml_layer_t layers[] = {
    {0, 0, 1, 1, 0, 0, 0, 0, 1, FML_CAPTURE},
    {1, DENSE, 6, 4, 1, 1, 0, 0, 1, FML_TILES},
    {3, DENSE, 1, 1, 6, 1, 1, STOPPED, 1, FML_DECIDE},
    {4, PARTS, 3, 1, 1, 1, 6, 2, 3, FML_TILES},
    {13, SPARSE, 5, 2, 1, 1, 0, 0, 1, FML_TILES},
    {16, SPARSE, 1, 1, 5, 1, 2, STOPPED, 1, FML_DECIDE},
    {17, ROWS, 2, 1, 2, 4, 0, 0, 1, FML_TILES},
    {19, ROWS + 2, 2, 2, 1, 4, 0, 0, 1, FML_TILES},
    {20, SCORES, 4, 2, 1, 1, 0, 0, 1, FML_TILES},
#ifdef PROBE_LAST_DECIDES
    {22, SCORES, 1, 1, 4, 1, 3, 23, 1, FML_DECIDE},
#else
    {22, 0, 1, 1, 0, 0, 3, 0, 1, FML_PUBLISH},
#endif
    {23, 0, 1, 1, 0, 0, 1, 0, 1, FML_REPORT},
    {STOPPED, 0, 1, 1, 0, 0, 0, 0, 1, FML_REPORT},
};

#ifdef PROBE_STAGED /* NVM that no pointer can read */
static const fml_read_t reads[9][2] = {
    {{0, 0, 1, 0, 0, 0}, {0, 0, 1, 0, 0, 0}},
    {{INPUT, 8, 6, 0, 0, 8}, {0, 0, 1, 0, 0, 0}},
    {{0, 0, 1, 0, 0, 0}, {0, 0, 1, 0, 0, 0}},
    {{DENSE, 6, 3, 0, 0, 0}, {0, 0, 1, 0, 0, 0}},
    {{DENSE, 6, 5, 0, 0, 6}, {0, 0, 1, 0, 0, 0}},
    {{0, 0, 1, 0, 0, 0}, {0, 0, 1, 0, 0, 0}},
    {{SPARSE, 4, 1, 2, 0, 2}, {0, 0, 1, 0, 0, 0}},
    {{PARTS, 2, 1, 1, 0, 1}, {0, 0, 1, 0, 0, 0}},
    {{ROWS, 7, 4, 0, 0, 7}, {0, 0, 1, 0, 0, 0}},
};
#endif

static int8_t byte_of(int32_t v) {
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

static void sparse(const int8_t *arena, int8_t *y, uint32_t first, uint32_t n) {
    const int8_t *x = arena + DENSE;
    for (uint32_t row = first; row < first + n; row++) {
        int32_t acc = sparse_bias[row] * 64;
        for (uint8_t k = sparse_row[row]; k < sparse_row[row + 1]; k++) {
            acc += x[sparse_col[k]] * sparse_w[k];
        }
        *y++ = byte_of(acc / 64);
    }
}

static const uint32_t levels_uj[2] = {1000, 5000};

/* With little energy it stops, with much it goes on; between, it stops where the lead is not below its running mean. */
static uint8_t stops(const fml_policy_t *self, const fml_layer_t *row, const int8_t *arena, fml_record_t *record) {
    (void)self;
    record->confidence = (uint8_t)fml_lead(row, arena, &record->class_index);
    const uint8_t is_sure = record->confidence >= record->state[1];
    record->state[0]++; /* decisions: one that is made twice is one too many */
    record->state[1] = (uint8_t)((3u * record->state[1] + record->confidence) / 4u);
    const uint32_t energy_uj = fml_hal_energy_uj();
    const uint8_t is_stop = energy_uj < levels_uj[0] || (energy_uj < levels_uj[1] && is_sure);
    if (is_stop) {
        record->state[2] = record->depth;
    }
    return is_stop;
}

static void compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    (void)scratch;
#ifdef PROBE_STAGED
    const int8_t *x[2];
    fml_stage(&layers[layer], reads[layer], arena, y, first, n, x);
    arena = (const int8_t *)((uintptr_t)x[0] - reads[layer][0].offset_bytes);
#endif
    switch (layer) {
    case 1:
        fml_dense_i8(&dense, arena + INPUT, y, first, n);
        break;
    case 4:
        sparse(arena, y, first, n);
        break;
    case 6:
        fml_copy_i8(&rows_of_sparse, arena + SPARSE, y, first, n);
        break;
    case 7:
        fml_copy_i8(&rows_of_parts, arena + PARTS, y, first, n);
        break;
    default: { /* scores */
        static const uint8_t from[4] = {ROWS, ROWS + 1, ROWS + 4, ROWS + 5};
        for (uint32_t i = first; i < first + n; i++) {
            const int32_t shallow = arena[from[i]];
            *y++ = byte_of(shallow + arena[ROWS + 2] - arena[ROWS + 6] * (int32_t)i);
        }
    }
    }
}

static int32_t partial(uint16_t layer, const int8_t *arena, int8_t *tile, uint32_t element, uint32_t k0, uint32_t n) {
#ifdef PROBE_STAGED
    const int8_t *x = fml_stage_part(reads[layer], arena, tile, element, k0, n);
#else
    const int8_t *x = arena + DENSE;
    (void)layer;
    (void)tile;
#endif
    return fml_dense_part_i8(&parts, x, element, k0, n);
}

static int8_t finish(uint16_t layer, uint32_t element, int32_t acc) {
    (void)layer;
    return fml_dense_finish_i8(&parts, element, acc);
}

static const fml_policy_t policy = {fml_decide, stops, levels_uj, 2};

static const fml_port_t inputs[1] = {{INPUT, 8}};
static const fml_port_t outputs[1] = {{SCORES, 4}};

#ifndef PROBE_COMMIT_SLOTS
#define PROBE_COMMIT_SLOTS 2
#endif

#ifdef PROBE_STAGED
#define PROBE_SRAM_BYTES 12 /* of the scores: 2, rounded up, and 7, rounded up */
#else
#define PROBE_SRAM_BYTES 8
#endif

const fml_model_t probe_model = {
    .inputs = inputs,
    .outputs = outputs,
    .layers = layers,
    .n_inputs = 1,
    .n_outputs = 1,
    .n_layers = sizeof layers / sizeof layers[0],
    .layout_version = FML_LAYOUT_VERSION,
    .digest = {0x12345678u ^ 0x9e3779b1u * PROBE_OTHER, 0x9abcdef0u ^ 0x85ebca6bu * PROBE_OTHER},
    .n_steps = STEPS,
    .arena_bytes = ARENA_BYTES,
    .tile_bytes = PROBE_SRAM_BYTES,
    .scratch_bytes = 0,
    .sram_bytes = PROBE_SRAM_BYTES,
    .nvm_bytes = FML_NVM_ARENA + ARENA_BYTES,
    .commit_slots = PROBE_COMMIT_SLOTS,
    .result_kind = FML_RESULT_SCORES,
    .result_output = 0,
    .result = {SCORES, 4},
    .is_staged = PROBE_SRAM_BYTES != 8,
    .state_bytes = 4,
    .policy = &policy,
    .compute = compute,
    .partial = partial,
    .finish = finish,
};
