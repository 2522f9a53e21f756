/* Inference that survives power failure at any instant.
 *
 * Memory. One NVM image holds all that persists: [identity | commit record | results | partial sums | arena]. Activations
 * live in the arena. SRAM holds one fml_ram_t and one tile, both worthless after a power loss.
 *
 * Protocol. The commit record holds the number of the step that is next; what that step does says the model's table of
 * steps (fml_layer_t): the input is to be captured, a tile to be computed, it is to be decided whether what is known
 * suffices, the result to be published, the published result to be reported. Each step reads committed bytes, writes bytes that no step committed so far still needs, waits for them
 * (barrier), and commits the next step by one write. A loss before the commit repeats the step, a loss after it does not: no
 * step reads what it writes, so that doing it again does no harm. A decision is committed before it is acted on: whatever
 * the energy meter shows when it is made again after a loss, nothing followed from what it was before. A report may so be made twice, but never not at all: the result's sequence number
 * tells a repetition.
 *
 * At each exit on the way the result becomes the newest one: from the first of them on, NVM holds an answer of this
 * inference, after any loss that of the deepest exit whose decision was committed. All of one inference have the same
 * sequence number, and a greater depth each.
 *
 *   while (1) {                       fml_boot() after every reset, then fml_step() for ever; the answer may be read
 *       fml_step(&ram);               at any time, and fml_hal_report() gets it.
 *   }
 */
#ifndef FML_RUNTIME_H
#define FML_RUNTIME_H

#include "fml_model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int fml_status_t;

#define FML_OK 0
#define FML_PUBLISHED 1   /* fml_step: this step published a result, the last one of its inference */
#define FML_REFINED 2     /* fml_step: this step published the result of an exit, and the inference goes on */
#define FML_COLD_START 1  /* fml_boot: NVM was blank, foreign or damaged, and is fresh now */
#define FML_NO_RESULT (-1) /* fml_result: nothing was published yet */
#define FML_NO_SAMPLE (-2) /* for fml_hal_sample: try again later */
#define FML_NOT_REPORTED (-3) /* for fml_hal_report: try again later */

#define FML_LAYOUT_VERSION 3
#define FML_NVM_CHUNK_BYTES 64 /* at most so many bytes are written between two barriers */

/* Offsets in the NVM image; its address is a multiple of 4. */
#define FML_NVM_IDENTITY 0  /* fml_identity_t */
#define FML_NVM_COMMIT 16   /* one slot: uint16_t; two slots: fml_commit_t[2] */
#define FML_NVM_RESULTS 32  /* fml_record_t[2] */
#define FML_NVM_SUMS 96     /* int32_t[2] */
#define FML_NVM_ARENA 104
#define FML_STATE_BYTES 20  /* of a policy, at most */

/* Most steps by commit record: their numbers, from 0, have so many bits there. */
#define FML_MAX_STEPS_ONE_SLOT 0x8000u       /* 15 */
#define FML_MAX_STEPS_CHECKED_WORD 0x1000u   /* 12: three are left for a check */
#define FML_MAX_STEPS_TWO_SLOTS 0x20000000u  /* 29 */

/* --- What the compiler writes -------------------------------------------------------------------------------------- */

/* What the steps of a row of the table do. */
#define FML_CAPTURE 0 /* the input goes into the arena */
#define FML_TILES 1   /* a layer: each step computes a tile of it */
#define FML_DECIDE 2  /* the scores of an exit become the newest result; a report is next, or the next row */
#define FML_PUBLISH 3 /* the result becomes the newest one */
#define FML_REPORT 4  /* fml_hal_report() gets it; step 0 is next */

/* A row of the table of steps, which are numbered from 0, row by row: a layer cut into tiles, or a single step. The first
 * row is a capture, the last one a report.
 *
 * Step i of a layer computes units [i * tile_units, (i + 1) * tile_units), the last one what is left. With parts > 1, a unit
 * is one output byte, tile_units = unit_bytes = unit_stride_bytes = 1, and each unit takes `parts` steps: step i adds the
 * products [k * part_products, (k + 1) * part_products), k = i % parts, to unit i / parts.
 *
 * A single step has n_units = tile_units = parts = 1, so that steps are counted by one rule, and 0 in fields that it does
 * not use. Used are, of
 *   a decision      products: the depth that it publishes; part_products: the step that is next if it stops, of a report:
 *                   of the last decision the row behind it, so that it stops whatever is decided; out_offset_bytes,
 *                   unit_bytes, unit_stride_bytes: where its scores lie, bytes of all, bytes of one (1: int8, 4: int32)
 *   a publication   products: the depth that it publishes
 *   a report        products: 1 where all outputs were computed, so that they can be read; 0 where a decision stopped before */
typedef struct {
    uint32_t first_step;        /* number of its first step */
    uint32_t out_offset_bytes;  /* of unit 0, in the arena */
    uint32_t n_units;           /* at least 1 */
    uint32_t tile_units;        /* 1 to n_units */
    uint32_t unit_bytes;        /* that a unit leaves in the tile buffer, one unit after the other */
    uint32_t unit_stride_bytes; /* from one unit to the next in the arena; unit_bytes but for rows of a concatenation */
    uint32_t products;          /* of one output element; 0 where parts == 1 */
    uint32_t part_products;     /* of one part; 0 where parts == 1 */
    uint16_t parts;             /* 1, or ceil(products / part_products) */
    uint8_t kind;               /* FML_CAPTURE, ... */
} fml_layer_t;

FML_STATIC_ASSERT(sizeof(fml_layer_t) <= 36, a_row_is_small);

/* What is published, read from the bytes `result` of the arena: an output, or the scores before its last Softmax or
 * Sigmoid, which say more in int8. freeml/ir/decision.py is the same rule for host and reports. */
#define FML_RESULT_NONE 0      /* no class: class_index, confidence 0 */
#define FML_RESULT_SCORES 1    /* int8 scores: class = index of the first maximum; confidence = its lead in codes */
#define FML_RESULT_INDEX 2     /* int32 index in the byte order of the machine; confidence 255 */
#define FML_RESULT_THRESHOLD 3 /* one int8 score: class 1 above result_threshold, else 0, also on it; confidence =
                                * distance from it in codes, at most 255 */

struct fml_ram;
struct fml_position; /* fml_nvm.h */

/* One slot of the two for results. A model's policy has state_bytes of `state`, which only its decisions change: record and
 * state are under one CRC, and the one bit of a commit that says which slot is the newest switches both. */
typedef struct {
    uint16_t crc;      /* fml_crc16 of the bytes from `sequence` on, as far as the model's state goes */
    uint16_t unused;
    uint32_t sequence; /* as in fml_result_t; 0: nothing was published yet */
    uint16_t class_index;
    uint8_t confidence, depth;
    uint8_t state[FML_STATE_BYTES]; /* begins at a multiple of 4 */
} fml_record_t;

/* What decides, in a model that has decisions. Others point to none, and no linker brings them the code of it. */
typedef struct fml_policy {
    /* fml_decide(): the step. */
    fml_status_t (*step)(struct fml_ram *ram, const fml_layer_t *row, struct fml_position *next);
    /* Whether the decision of this row is to stop: 1, or 0 to go on. policy: this one, whose tables lie behind it. record: `state` is that of the last decision that was
     * committed, all zeros after a cold start, and is changed to what it is to be, whatever is decided; class_index and
     * confidence, here 0, and depth, here that of the row, are changed to what is published, whatever is decided. Reads the arena by
     * fml_hal_nvm_read(), the meter by fml_hal_energy_uj(), nothing else that changes, and keeps nothing: of two calls
     * that a loss parts, only the last one counts. */
    uint8_t (*stops)(const struct fml_policy *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record);
    /* Ascending. Two readings of the meter are alike to all decisions where both are below the same levels. */
    const uint32_t *levels_uj;
    uint8_t n_levels;
} fml_policy_t;

/* A model. All of it is constant; `digest` stands for all that gives bytes in NVM a meaning: weights, layers, tiles,
 * offsets, commit slots. */
typedef struct {
    const fml_port_t *inputs;
    const fml_port_t *outputs;
    const fml_layer_t *layers;
    uint16_t n_inputs, n_outputs, n_layers; /* each at least 1; of layers: rows of the table */
    uint16_t layout_version;                /* FML_LAYOUT_VERSION */
    uint32_t digest[2];
    uint32_t n_steps; /* of all rows */
    uint32_t arena_bytes;
    uint32_t tile_bytes;    /* SRAM of the largest tile, a multiple of 4: tile_units * unit_bytes, and staged inputs */
    uint32_t scratch_bytes; /* of the kernel that needs most; may be 0 */
    uint32_t sram_bytes;    /* tile_bytes + scratch_bytes */
    uint32_t nvm_bytes;     /* FML_NVM_ARENA + arena_bytes */
    uint8_t commit_slots;   /* 1: NVM writes an aligned 16-bit word atomically. 2: it may tear any write */
    uint8_t result_kind;    /* FML_RESULT_... */
    uint16_t result_output; /* the output whose class it is */
    fml_port_t result;      /* where it is read from; lasts as outputs do */
    int16_t result_threshold; /* code of FML_RESULT_THRESHOLD, -129 to 127 */
    uint8_t is_staged;      /* NVM is no memory that a pointer can read: fml_stage.h */
    uint8_t state_bytes;    /* of the policy, at most FML_STATE_BYTES; 0 without one */
    const fml_policy_t *policy; /* of its decisions; may be 0 where the table has none */
    /* Units [first, first + n) of a layer, named by its row, into y. Reads arena, writes scratch and the tile's SRAM at y, calls kernels.
     * Crash behaviour: pure. 0 only where every layer has parts. */
    void (*compute)(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n);
    /* Products [k0, k0 + n) of one output element, and its bias where k0 == 0: what a kernel ..._part_i8 returns. tile:
     * the tile's SRAM, for staged inputs. Pure. 0 where no layer has parts. */
    int32_t (*partial)(uint16_t layer, const int8_t *arena, int8_t *tile, uint32_t element, uint32_t k0, uint32_t n);
    /* The output byte of the whole sum: what ..._finish_i8 returns. Pure. 0 where no layer has parts. */
    int8_t (*finish)(uint16_t layer, uint32_t element, int32_t acc);
} fml_model_t;

/* --- What firmware uses -------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t sequence;    /* 1, 2, ...: counts inferences; after 2^32 - 1 comes 1 */
    uint16_t class_index;
    uint8_t confidence;   /* as FML_RESULT_... says */
    uint8_t depth;        /* 1 at the first decision, one more at each; where there are none, the whole network */
} fml_result_t;

/* The volatile state: built by fml_boot(), worthless after a power loss. Firmware only gives it room. */
typedef struct fml_ram {
    const fml_model_t *model;
    uint8_t *nvm;
    int8_t *tile;     /* tile_bytes */
    int8_t *scratch;  /* scratch_bytes */
    uint32_t step;    /* as committed */
    uint32_t unit;    /* first unit of the next step */
    uint32_t sequence; /* of the newest result, 0: none */
    uint16_t layer;   /* row of the next step */
    uint16_t part;    /* of the next step */
    uint8_t newest;   /* result slot */
    uint8_t count;    /* two slots: of commits, mod 4; the commit was written to slot count & 1 */
    volatile uint8_t stop; /* of fml_stop() */
} fml_ram_t;

/* After every reset, before any other call. nvm: model->nvm_bytes of NVM; sram: model->sram_bytes; both aligned to 4.
 * Identity and commit record right: continues where the last commit left off, at a cost that does not depend on the model
 * but for a search over its table, and returns FML_OK. Anything else: cold start, FML_COLD_START.
 * Crash behaviour: idempotent. */
fml_status_t fml_boot(fml_ram_t *ram, const fml_model_t *model, void *nvm, void *sram);

/* One step: captures an input, computes a tile, decides, publishes, or reports by fml_hal_report(). FML_REFINED from the
 * decision of an exit behind which the inference goes on, FML_PUBLISHED from the step that published the last result.
 * Negative: what fml_hal_sample() or fml_hal_report() returned; nothing changed.
 * Crash behaviour: commits, as its last act. */
fml_status_t fml_step(fml_ram_t *ram);

/* Steps until the last result of an inference is published, or one returns a negative status. The result of the call before
 * is reported first, the one of this call by the next. */
fml_status_t fml_infer(fml_ram_t *ram);

/* The inference that goes on ends at its next exit, whatever is decided there; at its end, if it has no further exit. A
 * loss of power before that forgets it. May be called from an interrupt. Crash behaviour: volatile. */
void fml_stop(fml_ram_t *ram);

/* The newest published result, or FML_NO_RESULT. Needs NVM alone: also before fml_boot(), and amid an inference, also from an
 * interrupt after any instruction of it, also amid a publication: then it gives the result before or the new one. Firmware
 * of freeml: once fml_board_start() is done, on an MSP430 from a handler as fml_interrupt_msp430.h has it. Handlers may
 * interrupt one another. No other function of this file may interrupt one: infer in the main program, ask in handlers.
 * Crash behaviour: pure. */
fml_status_t fml_result(const fml_model_t *model, const void *nvm, fml_result_t *result);

/* Bytes [first, first + n) of an output, no more than n_bytes of its port, while a published result waits for its report:
 * between a step that returned FML_PUBLISHED and the next step, in fml_hal_report(), and after a boot that finds it so.
 * FML_NO_RESULT at any other time, since capturing the next input may write over them, and where a decision published before
 * they were computed.
 * Crash behaviour: pure. */
fml_status_t fml_read_output(const fml_ram_t *ram, uint16_t output, uint32_t first, uint32_t n, void *dst);

/* Scores [first, first + n) of the exit whose result is the newest, int32 as its head computed them: between the step that
 * returned FML_REFINED, or FML_PUBLISHED where a decision stopped, and the next step; after a boot that finds it so, too.
 * FML_NO_RESULT at any other time, and for exits whose scores are int8. Crash behaviour: pure. */
fml_status_t fml_read_scores(const fml_ram_t *ram, uint16_t first, uint16_t n, int32_t *dst);

/* The same bytes where they lie, without a copy; NULL at any other time, and where a pointer cannot read NVM. */
const int8_t *fml_output(const fml_ram_t *ram, uint16_t output);

/* --- What lies in NVM: for tools and tests -------------------------------------------------------------------------- */

typedef struct {
    uint32_t digest[2];
    uint16_t layout_version;
    uint16_t magic;
} fml_identity_t;

#define FML_MAGIC 0x6d66u

/* One slot: step << 1 | newest result slot; with FML_MAX_STEPS_CHECKED_WORD steps or less, bits 13 to 15 are a check: each
 * bit below counts in one of them, so that any one flipped bit of the word shows, and so do all-zeros and all-ones.
 * Two slots, used in turn: word = step << 3 | count << 1 | newest result slot, count = commits mod 4, and its complement,
 * the check. Writing goes by way of a state in which every byte of the check is wrong, so that a torn slot is void, as
 * before, or right, also after several torn attempts; a CRC would take some torn records for whole ones. */
typedef struct {
    uint32_t word, check;
} fml_commit_t;

FML_STATIC_ASSERT(sizeof(fml_identity_t) == 12, identity_has_no_holes);
FML_STATIC_ASSERT(sizeof(fml_commit_t) == 8, commit_has_no_holes);
FML_STATIC_ASSERT(sizeof(fml_record_t) == 12 + FML_STATE_BYTES, record_has_no_holes);

/* CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xffff. */
uint16_t fml_crc16(const void *data, size_t n);

#ifdef __cplusplus
}
#endif

#endif
