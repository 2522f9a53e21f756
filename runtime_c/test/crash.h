/* The crash explorer: runs a model on simulated NVM, cuts power, and compares with runs that lost none.
 *
 * crash_world.c    the simulated machine: one power cycle, the write set of every step
 * crash_image.c    its NVM image: hash, control block, what may follow a commit
 * crash_board.c    the board interface, and what every write and commit must keep to
 * crash_closure.c  every reachable reboot image
 * crash_chain.c    images as chains of changes
 * crash_losses.c   what a loss may leave of the writes that wait for a barrier
 * crash_legal.c    runs without losses: their images, their answers
 * crash_walk.c     single schedules of losses: linear, log, random, given */
#ifndef FML_CRASH_H
#define FML_CRASH_H

#include <setjmp.h>
#include <stdint.h>

#include "fml_hal.h"
#include "fml_runtime.h"

enum { CRASH_ATOMIC, CRASH_TORN, CRASH_UNORDERED, CRASH_TORN_UNORDERED };
enum { CRASH_BLANK_00, CRASH_BLANK_FF, CRASH_GARBAGE, CRASH_IMAGE };

typedef struct {
    uint8_t behaviour;   /* CRASH_ATOMIC, ... */
    uint8_t unit_bytes;  /* written at once: 1, 2, 4 */
    uint8_t start;       /* CRASH_BLANK_00, ... */
    uint8_t memoise;     /* compute a tile once per committed image, see crash_world.c */
    uint8_t any_write;   /* do not check write sets: what else would find the mistake? */
    uint8_t adversary;   /* a torn byte becomes the complement of what was written, not something random */
    uint8_t max_torn;    /* so many torn bytes become garbage between two commits; 0: no limit */
    uint32_t n_inferences;
    uint32_t branches;   /* sequences 1 to branches: both samples are followed past the capture; later ones: sample 0 */
    uint32_t seed;
    double limit_s;
    uint64_t stop_progress; /* closure: commits beyond this are not entered; UINT64_MAX: all */
    const uint8_t *image;   /* CRASH_IMAGE: nvm_bytes that somebody left */
} crash_options_t;

typedef struct {
    uint64_t images, writes, boots, commits, segments;
    uint32_t divergences, closed;
    double seconds;
    char reason[160];
    char schedule[2048];
} crash_report_t;

/* What of one row of the model's table was explored; of the capture's, also cold starts. */
typedef struct {
    uint64_t images, writes;
    uint32_t segments, closed;
} crash_layer_t;

/* samples: two, each all inputs one after the other. layers: one for each row of the model's table. */
void crash_closure(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2],
                   crash_report_t *report, crash_layer_t *layers);

/* The image at each commit of a run from a blank NVM without losses, cold start first, one after the other: `room` of them.
 * report->commits: how many there are. */
void crash_images(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2], uint8_t *images,
                  uint32_t room, crash_report_t *report);

enum { CRASH_NONE, CRASH_LINEAR, CRASH_LOG, CRASH_COMMIT, CRASH_RANDOM, CRASH_SCHEDULE };

/* What a loss does to one unit: it is missing, or garbage of one byte. */
typedef struct {
    uint8_t ago; /* 1: the last changed unit that waits for a barrier; 2: the one before ..; 0: the next byte, always garbage */
    uint8_t is_garbage, value;
} crash_fault_t;

/* As many units as may wait, and the next byte. */
enum { CRASH_MOST_WAITING = FML_NVM_CHUNK_BYTES, CRASH_MOST_FAULTS = CRASH_MOST_WAITING + 1 };

/* One power cycle of a given schedule. */
typedef struct {
    uint32_t writes;  /* before the loss; UINT32_MAX: no loss */
    uint32_t n_choices;
    const uint8_t *choices; /* the answers to readings of sensor and meter, in turn; 0 to those beyond */
    uint8_t n_faults;
    crash_fault_t faults[CRASH_MOST_FAULTS];
} crash_loss_t;

void crash_walk(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2], uint32_t mode,
                const crash_loss_t *losses, uint32_t n_losses, crash_report_t *report);

/* --- crash_world.c -------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t valid, newest, slot; /* of the newest result; of the commit, where there are two */
    uint32_t step, sequence;
    uint64_t progress; /* grows with every commit; 0 at the cold start */
    fml_record_t record; /* the newest one */
} crash_position_t;

typedef struct {
    uint32_t addr;
    uint8_t n;
    uint8_t is_covered; /* a later unit that waits has bytes of this one */
    uint8_t old[4];
} crash_unit_t;

/* In one step: the sample is one, however many chunks it has; the meter is read as often as a decision asks. As many answers
 * to each as there are digits to print them. */
enum { CRASH_MOST_READINGS = 8, CRASH_MOST_ANSWERS = 36 };

typedef struct {
    uint64_t rest, input, result[2];
} crash_hash_t;

/* Everything the simulated machine is made of. One at a time: the runtime knows no context that could carry it. */
typedef struct {
    const fml_model_t *original;
    fml_model_t model; /* with compute() replaced */
    const crash_options_t *options;
    crash_report_t *report;
    const int8_t *const *samples;
    uint32_t n_bytes;
    uint8_t *nvm, *shadow, *alternative; /* images */
    uint8_t *window, *alternative_window; /* where the model sees the first and the last of these */
    uint8_t *is_input;                   /* per byte */
    uint32_t *allowed, epoch;            /* bytes that may be written: allowed[i] == epoch */
    uint16_t *rows;                      /* of the table, by step */
    crash_hash_t hash;
    int8_t *sram, *memo, *other;
    uint8_t memo_valid;
    fml_ram_t ram, fresh;
    crash_position_t start; /* at the last commit */
    crash_position_t now;   /* what the image says */
    uint8_t committed;      /* since then */
    uint8_t reported;       /* in this step */
    crash_unit_t pending[CRASH_MOST_WAITING]; /* changed units since the last barrier */
    uint32_t n_pending, waiting_bytes;        /* bytes written since then, changed or not */
    uint64_t cycle_writes;
    uint64_t enter_writes, longest; /* most writes of a step */
    uint32_t random;
    const uint8_t *given; /* answers to the readings of this step; 0 to those beyond n_given, the last one above it */
    uint32_t n_given;
    uint8_t readings[CRASH_MOST_READINGS], n_readings; /* of this step: how many answers there are to each */
    uint8_t sampled; /* 1 + the answer that all chunks of the capture get */
    double began; /* of world_seconds() */
    jmp_buf exit;
    uint8_t (*legal)(uint64_t key); /* is there such a commit image in a run without losses? */
    /* Called before a unit is written (its address and new bytes) and after it. */
    void (*before)(uint32_t addr, const uint8_t *bytes, uint32_t n);
    void (*after)(uint32_t addr, uint32_t n, uint8_t changed);
    void (*filled)(uint32_t addr, uint32_t n); /* NULL, or called where garbage was put in place of dead bytes */
    void (*diverged)(void); /* describes the schedule */
} crash_world_t;

extern crash_world_t world;

int world_open(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2],
               crash_report_t *report);
void world_close(void);
void world_start_image(uint8_t start);
void world_set(uint32_t addr, const uint8_t *bytes, uint32_t n); /* keeps hash and shadow */
void world_rehash(void);
uint64_t world_key(const crash_position_t *at); /* of the image, without the bytes that are dead there */
uint64_t world_key_with(uint32_t addr, const uint8_t *bytes, uint32_t n); /* if n bytes of the arena were others */
crash_position_t world_position(void);
uint8_t world_has_answer(uint32_t step);
const fml_layer_t *world_row(uint32_t step); /* that the step is of, read from the table alone */
int world_is_table(const fml_model_t *model); /* rows that follow one another, from a capture to a report */
uint32_t world_record_bytes(void);            /* of a result slot: with the state of the model's policy */
int world_is_dead_result(const crash_position_t *at); /* of the slot that is not the newest */
int world_is_start(const crash_position_t *at);   /* no commit since the step began */
int world_may_follow(const crash_position_t *at); /* the commit of this step, as the table has it */
uint32_t world_random(void);
void world_garbage(void *to, size_t n);
double world_seconds(void);
__attribute__((noreturn)) void world_diverge(const char *reason);

/* What the image may say now: where the step began, or where it ends, and then it is that of a run without losses. */
void world_judge(void);
void world_check_result(void); /* fml_result() gives the newest one */
void world_check_shadow(void); /* nothing was written past the board interface */
void world_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n);

/* What ends a call of world_boot() or world_step() early, by longjmp. */
enum { WORLD_LOST = 1, WORLD_DIVERGED = 2 };

void world_enter(void); /* a step begins from this image: what may it write? */
void world_boot(void);  /* power comes back: garbage in RAM, then fml_boot(); a cold start is a step of its own */
void world_step(void);  /* no readings so far; fml_step() must commit; the RAM it leaves must be the RAM of a fresh boot */

/* What a loss with these faults leaves in place of the newest bytes. next: the address of the byte with ago == 0. Returns the
 * number of pieces; fewer than faults where a later unit lies over a missing one. */
uint32_t world_fault(const crash_fault_t *faults, uint32_t n, uint32_t next, crash_unit_t *pieces);

/* --- crash_losses.c ------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t n_bytes;     /* that the step may write */
    uint8_t most_torn;    /* bytes that may still become garbage */
    uint8_t is_first_run; /* of the step: no loss came before */
    uint64_t lot;
} crash_step_t;

typedef void (*crash_consider_t)(const crash_fault_t *faults, uint32_t n);

/* Calls consider() with every loss to follow before the next byte is written, and after a unit was changed. */
void crash_losses_before(uint32_t addr, uint8_t byte, const crash_step_t *step, crash_consider_t consider);
void crash_losses_after(const crash_step_t *step, crash_consider_t consider);

/* --- crash_chain.c -------------------------------------------------------------------------------------------------- */

void *crash_grown(void *array, uint32_t n, uint32_t *room, size_t size); /* so that there is room for an element n */

/* A node is an image: that of its parent, and n bytes (1 to 4) that differ. Node 0 is the committed image. */
uint32_t crash_chain_add(uint32_t parent, uint32_t addr, const uint8_t *bytes, uint32_t n);
void crash_chain_apply(uint32_t node); /* to the committed image, which is in place */
void crash_chain_keep(uint32_t node);
void crash_chain_drop(void); /* nodes behind the last one to keep */
void crash_chain_clear(void);
void crash_chain_free(void);

/* --- crash_legal.c -------------------------------------------------------------------------------------------------- */

/* A set of hashes. */
typedef struct {
    uint64_t *keys;
    uint64_t n, room;
} crash_set_t;

int crash_set_add(crash_set_t *set, uint64_t key); /* 1 if new */
int crash_set_has(const crash_set_t *set, uint64_t key);
void crash_set_clear(crash_set_t *set); /* stays small where it was */

/* Every run without losses, for each sequence of samples and readings: its commit images become the legal ones. What these
 * runs publish must be what runs from a blank NVM publish. Returns 0 if one diverges, or time is up. */
int crash_legal_open(void);
void crash_legal_close(void);
uint8_t crash_branches(void); /* may the step that begins now see the other sample, too? */
void crash_print_loss(const crash_loss_t *loss, char *text, size_t room); /* appends */

#endif
