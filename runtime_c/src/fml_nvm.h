/* The control block of the NVM image: who wrote it, how far it is, what was published. Private to the runtime. */
#ifndef FML_NVM_H
#define FML_NVM_H

#include "fml_hal.h"
#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* FML_NO_COMMIT: a build that cannot survive a power loss, to measure what surviving one costs. Never for a device. */
#ifdef FML_NO_COMMIT
#define FML_BARRIER() ((void)0)
#else
#define FML_BARRIER() fml_hal_nvm_barrier()
#endif

/* A commit record as read. */
typedef struct fml_position {
    uint32_t step;
    uint8_t newest; /* result slot */
    uint8_t count;  /* two slots: commits mod 4 */
} fml_position_t;

/* The sequence number of what a decision or a publication publishes. */
uint32_t fml_next_sequence(const fml_ram_t *ram, const fml_layer_t *row);

/* Rows of row_bytes each, one after the other in src, stride_bytes apart in NVM. No more than FML_NVM_CHUNK_BYTES wait
 * for a barrier at any time; the last ones still do. */
void fml_nvm_write_rows(uint8_t *dst, uint32_t stride_bytes, const int8_t *src, uint32_t row_bytes, uint32_t n_rows);

/* Whether an image is this model's and whole; if so, where it is and its newest result (sequence 0: none). */
uint8_t fml_nvm_valid(const fml_model_t *model, const uint8_t *nvm, fml_position_t *at, fml_record_t *newest);

/* A result slot as it is, the model's state with it. */
void fml_nvm_record(const fml_model_t *model, const uint8_t *nvm, uint8_t slot, fml_record_t *record);

/* The record, with its CRC, into a slot. Waits for a barrier. */
void fml_nvm_write_record(const fml_model_t *model, uint8_t *nvm, uint8_t slot, fml_record_t *record);

/* Make the image this model's: no result, waiting for an input. Idempotent: at any loss within, the identity is wrong, or
 * all of the image is as it was, or all as it is to be. */
void fml_nvm_cold_start(const fml_model_t *model, uint8_t *nvm, fml_position_t *at, fml_record_t *newest);

/* The slot of the commit after `count` is void, and persistent. A step that may commit another word when it is done again
 * calls this before it writes what that word is of: what a loss left of a commit that was not to be is one torn byte away
 * from being whole, over data of another. One slot is a word that is written at once: nothing to do. */
void fml_nvm_erase_next(const fml_model_t *model, uint8_t *nvm, uint8_t count);

/* What was written before is persistent, then the commit record says *at, then that is persistent. *at: as it shall be,
 * but for the count, which this increments. */
void fml_nvm_commit(const fml_model_t *model, uint8_t *nvm, fml_position_t *at);

#ifdef __cplusplus
}
#endif

#endif
