#include "fml_nvm.h"

FML_SMALL void fml_nvm_write_rows(uint8_t *dst, uint32_t stride_bytes, const int8_t *src, uint32_t row_bytes, uint32_t n_rows) {
    uint32_t room = FML_NVM_CHUNK_BYTES;
    for (; n_rows > 0; n_rows--, dst += stride_bytes) {
        uint8_t *to = dst;
        for (uint32_t left = row_bytes; left > 0;) {
            if (room == 0) {
                FML_BARRIER();
                room = FML_NVM_CHUNK_BYTES;
            }
            const uint32_t n = left < room ? left : room;
            fml_hal_nvm_write(to, src, (size_t)n);
            to += n;
            src += n;
            left -= n;
            room -= n;
        }
    }
}

static fml_identity_t identity_of(const fml_model_t *model) {
    fml_identity_t identity;
    identity.digest[0] = model->digest[0];
    identity.digest[1] = model->digest[1];
    identity.layout_version = model->layout_version;
    identity.magic = FML_MAGIC;
    return identity;
}

/* The whole is compared, so nothing is gained by a checksum over it. */
FML_SMALL static uint8_t is_mine(const fml_model_t *model, const uint8_t *nvm) {
    const fml_identity_t mine = identity_of(model);
    fml_identity_t found;
    fml_hal_nvm_read(&found, nvm + FML_NVM_IDENTITY, sizeof found);
    return found.digest[0] == mine.digest[0] && found.digest[1] == mine.digest[1] &&
           found.layout_version == mine.layout_version && found.magic == mine.magic;
}

#define CHECK_BITS 0xe000u

/* The word with its check: the complement of the sum, without carry, of its groups of three bits. */
FML_SMALL static uint16_t with_check(const fml_model_t *model, uint16_t word) {
    if (model->n_steps > FML_MAX_STEPS_CHECKED_WORD) {
        return word;
    }
    const uint16_t half = (uint16_t)(word ^ word >> 6), sum = (uint16_t)(half ^ half >> 3 ^ word >> 12);
    return (uint16_t)(word | (CHECK_BITS & ~((uint32_t)sum << 13)));
}

FML_SMALL static uint8_t one_slot(const fml_model_t *model, const uint8_t *nvm, fml_position_t *at) {
    uint16_t word;
    fml_hal_nvm_read(&word, nvm + FML_NVM_COMMIT, sizeof word);
    if (model->n_steps <= FML_MAX_STEPS_CHECKED_WORD) {
        const uint16_t found = word;
        word = (uint16_t)(word & ~CHECK_BITS);
        if (found != with_check(model, word)) {
            return 0;
        }
    }
    at->step = word >> 1;
    at->newest = word & 1u;
    at->count = 0;
    return 1;
}

/* The later of the slots that are whole. Two whole ones are successive commits, anything else is damage. */
FML_SMALL static uint8_t two_slots(const uint8_t *nvm, fml_position_t *at) {
    uint8_t found = 0;
    for (uint8_t slot = 0; slot < 2; slot++) {
        fml_commit_t commit;
        fml_hal_nvm_read(&commit, nvm + FML_NVM_COMMIT + slot * sizeof commit, sizeof commit);
        if (commit.check != ~commit.word) {
            continue;
        }
        const uint8_t count = (commit.word >> 1) & 3u;
        if ((count & 1u) != slot) {
            return 0;
        }
        if (found) { /* slot 0 holds an even count, slot 1 an odd one: they differ by 1 or 3 */
            if (count == ((at->count + 3u) & 3u)) {
                continue;
            }
        }
        found = 1;
        at->step = commit.word >> 3;
        at->newest = commit.word & 1u;
        at->count = count;
    }
    return found;
}

/* From the start of a record to the end of the model's state. */
static uint16_t record_bytes(const fml_model_t *model) {
    return (uint16_t)(offsetof(fml_record_t, state) + model->state_bytes);
}

static uint16_t crc_of(const fml_model_t *model, const fml_record_t *record) {
    return fml_crc16(&record->sequence, record_bytes(model) - offsetof(fml_record_t, sequence));
}

static uint16_t offset_of(uint8_t slot) {
    return slot == 0 ? FML_NVM_RESULTS : FML_NVM_RESULTS + sizeof(fml_record_t); /* fml_result may not multiply */
}

FML_SMALL void fml_nvm_record(const fml_model_t *model, const uint8_t *nvm, uint8_t slot, fml_record_t *record) {
    fml_hal_nvm_read(record, nvm + offset_of(slot), record_bytes(model));
}

FML_SMALL void fml_nvm_write_record(const fml_model_t *model, uint8_t *nvm, uint8_t slot, fml_record_t *record) {
    record->crc = crc_of(model, record);
    fml_hal_nvm_write(nvm + offset_of(slot), record, record_bytes(model));
}

FML_SMALL uint8_t fml_nvm_valid(const fml_model_t *model, const uint8_t *nvm, fml_position_t *at, fml_record_t *newest) {
    if (!is_mine(model, nvm)) {
        return 0;
    }
    if (!(model->commit_slots == 1 ? one_slot(model, nvm, at) : two_slots(nvm, at)) || at->step >= model->n_steps) {
        return 0;
    }
    fml_nvm_record(model, nvm, at->newest, newest);
    return newest->crc == crc_of(model, newest);
}

/* An identity that is not mine stays until the rest is right: torn again and again, it could become mine at any write. One
 * that is mine, over a damaged rest, goes first. */
FML_SMALL void fml_nvm_cold_start(const fml_model_t *model, uint8_t *nvm, fml_position_t *at, fml_record_t *newest) {
    const fml_identity_t mine = identity_of(model);
    if (is_mine(model, nvm)) {
        const fml_identity_t nobody = {{0, 0}, 0, 0};
        fml_hal_nvm_write(nvm + FML_NVM_IDENTITY, &nobody, sizeof nobody);
        FML_BARRIER();
    }
    uint8_t *bytes = (uint8_t *)newest;
    for (uint8_t i = 0; i < sizeof *newest; i++) {
        bytes[i] = 0;
    }
    fml_nvm_write_record(model, nvm, 0, newest);
    fml_nvm_write_record(model, nvm, 1, newest);
    FML_BARRIER(); /* with the commit slots there would be more than a chunk */
    const fml_commit_t empty = {0, 0};
    fml_hal_nvm_write(nvm + FML_NVM_COMMIT, &empty, sizeof empty);
    fml_hal_nvm_write(nvm + FML_NVM_COMMIT + sizeof empty, &empty, sizeof empty);
    at->step = 0;
    at->newest = 0;
    at->count = 3; /* so that the commit is number 0, in slot 0 */
    fml_nvm_commit(model, nvm, at);
    fml_hal_nvm_write(nvm + FML_NVM_IDENTITY, &mine, sizeof mine);
    FML_BARRIER();
}

#ifndef FML_NO_COMMIT
/* Three writes, each persistent before the next, and the data of the step before them: first no byte of the check is
 * the complement of its byte of the word, and so until the last byte of the last write. For another commit than this
 * one to appear, four attempts in a row must be torn, each leaving the one worst byte of 256: the crash explorer
 * finds that three do not suffice. Without the first write, or with a CRC in place of the complement, one torn
 * attempt can. */
FML_SMALL static void erase(uint8_t *slot) {
    uint32_t word;
    fml_hal_nvm_read(&word, slot, sizeof word);
    fml_hal_nvm_write(slot + offsetof(fml_commit_t, check), &word, sizeof word);
    FML_BARRIER();
}

static uint8_t *slot_of(uint8_t *nvm, uint8_t count) {
    return nvm + FML_NVM_COMMIT + (count & 1u) * sizeof(fml_commit_t);
}

FML_SMALL static void commit_to_slot(uint8_t *slot, uint32_t word) {
    fml_commit_t commit;
    erase(slot);
    fml_hal_nvm_write(slot, &word, sizeof word);
    FML_BARRIER();
    commit.check = ~word;
    fml_hal_nvm_write(slot + offsetof(fml_commit_t, check), &commit.check, sizeof commit.check);
}
#endif

void fml_nvm_erase_next(const fml_model_t *model, uint8_t *nvm, uint8_t count) {
#ifdef FML_NO_COMMIT
    (void)model;
    (void)nvm;
    (void)count;
#else
    if (model->commit_slots == 2) {
        erase(slot_of(nvm, (uint8_t)(count + 1u)));
    }
#endif
}

FML_SMALL void fml_nvm_commit(const fml_model_t *model, uint8_t *nvm, fml_position_t *at) {
#ifdef FML_NO_COMMIT
    (void)model;
    (void)nvm;
    (void)at;
#else
    FML_BARRIER(); /* for the data: even the erasure of a slot, torn after others were, may make it whole */
    if (model->commit_slots == 1) {
        const uint16_t word = with_check(model, (uint16_t)(at->step << 1 | at->newest));
        at->count = 0;
        fml_hal_nvm_write(nvm + FML_NVM_COMMIT, &word, sizeof word);
    } else {
        at->count = (at->count + 1u) & 3u;
        commit_to_slot(slot_of(nvm, at->count), at->step << 3 | (uint32_t)at->count << 1 | at->newest);
    }
    FML_BARRIER();
#endif
}
