/* Creation, power-up, counters, charge and the debugger's view of a device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msp430x_state.h"

enum { INFO_LOW = 0x1800, INFO_HIGH = 0x1A00, SRAM_LOW = 0x1C00, BSL_LOW = 0x1000, TLV_HIGH = 0x1B00 };

static void map(fml_msp430_t *m, uint32_t low, uint32_t high, uint8_t region) {
    memset(m->region + (low >> 8), region, (high - low) >> 8);
}

fml_msp430_t *fml_msp430_create(int part) {
    const int is_fr5994 = part == FML_PART_FR5994;
    fml_msp430_t *m;
    int i;
    if (!is_fr5994 && part != FML_PART_FR5969) {
        return NULL;
    }
    m = calloc(1, sizeof *m);
    if (!m) {
        return NULL;
    }
    m->part = part;
    m->sram_high = is_fr5994 ? 0x3C00 : 0x2400;
    m->fram_low = is_fr5994 ? 0x4000 : 0x4400;
    m->fram_high = is_fr5994 ? 0x44000 : 0x14000;
    map(m, 0, IO_BYTES, REGION_IO);
    map(m, BSL_LOW, TLV_HIGH, REGION_ROM);
    map(m, INFO_LOW, INFO_HIGH, REGION_FRAM);
    map(m, SRAM_LOW, m->sram_high, REGION_SRAM);
    map(m, m->fram_low, m->fram_high, REGION_FRAM);
    memset(m->mem, 0xFF, MEMORY_BYTES);
    for (i = 0; i < N_CHANNELS; i++) {
        m->analog_mv[i] = NO_LINE;
    }
    m->supply_mv = 3000;
    fml_msp430_reset(m, 0);
    return m;
}

void fml_msp430_destroy(fml_msp430_t *m) {
    free(m->log);
    free(m);
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

void fml_msp430_reset(fml_msp430_t *m, uint64_t garbage_seed) {
    uint64_t state = garbage_seed;
    uint32_t address;
    unsigned i;
    memset(&m->n, 0, sizeof m->n);
    memset(m->way, 0xFF, sizeof m->way);
    m->access_start = 0;
    m->attention = 1;
    m->gie_before = 0;
    m->nvm_budget = NEVER;
    m->cycle_limit = m->instruction_limit = NEVER;
    m->stop = FML_STOP_NONE;
    m->needs_reset = 0;
    m->fault_text[0] = 0;
    for (address = SRAM_LOW; address < m->sram_high; address += 8) {
        const uint64_t garbage = next_random(&state);
        memcpy(m->mem + address, &garbage, 8);
    }
    for (address = 0; address < 0x20; address++) {
        m->mem[address] = (uint8_t)next_random(&state);
    }
    memset(&m->mpy, 0, sizeof m->mpy);
    for (i = 0; i < N_MPY_WORDS - 2; i++) {
        m->mpy.now[i] = (uint16_t)next_random(&state);
    }
    m->mpy.op1 = (uint32_t)next_random(&state) & 0xFFFF;
    m->mpy.op2 = (uint32_t)next_random(&state) & 0xFFFF;
    m->mpy.op1_bits = m->mpy.op2_bits = 16;
    for (i = 0; i < 16; i++) {
        m->r[i] = (uint32_t)next_random(&state) & ADDRESS_MASK;
    }
    m->r[SP] &= ~UINT32_C(1);
    m->r[SR] = m->r[CG] = 0;
    fml_io_reset(m);
    for (address = DMA_LOW; address < DMA_HIGH; address++) { /* addresses and sizes are undefined */
        m->mem[address] = (uint8_t)next_random(&state);
    }
    fml_dma_reset(m);
    m->instruction_pc = 0xFFFE;
    m->r[PC] = load(m, 0xFFFE, 0) & 0xFFFE;
    m->n.cycles += 4;
    fml_schedule(m);
}

/* When run() must look up from executing instructions. */
void fml_schedule(fml_msp430_t *m) {
    const uint64_t event = fml_io_next(m, 0);
    m->deadline = event < m->cycle_limit ? event : m->cycle_limit;
}

static void stop_for_good(fml_msp430_t *m, fml_stop_t reason, const char *text) {
    if (m->stop == FML_STOP_NONE) {
        m->stop = reason;
        m->fault_pc = m->instruction_pc;
        (void)snprintf(m->fault_text, sizeof m->fault_text, "%s", text);
    }
    m->needs_reset = 1;
    m->attention = 1;
    m->nvm_budget = 0;
}

void fml_fault(fml_msp430_t *m, const char *what, uint32_t value) {
    char text[sizeof m->fault_text];
    (void)snprintf(text, sizeof text, "%s 0x%05X", what, (unsigned)value);
    stop_for_good(m, FML_STOP_FAULT, text);
}

void fml_request_reset(fml_msp430_t *m, const char *cause) {
    stop_for_good(m, FML_STOP_RESET, cause);
}

void fml_power_fails(fml_msp430_t *m) {
    stop_for_good(m, FML_STOP_NVM_WRITE, "power failed before an FRAM write");
}

const char *fml_msp430_fault_text(const fml_msp430_t *m) {
    return m->fault_text;
}

uint32_t fml_msp430_fault_pc(const fml_msp430_t *m) {
    return m->fault_pc;
}

void fml_msp430_counters(const fml_msp430_t *m, fml_counters_t *out) {
    *out = m->n;
}

double fml_msp430_charge_pc(const fml_counters_t *n, const fml_charge_t *q) {
    const uint64_t data = n->fram_data_reads + n->fram_writes + n->sram_reads + n->sram_writes + n->io_reads + n->io_writes;
    const uint64_t fram_code = n->accesses - data - n->sram_code_reads;
    const uint64_t busy = n->accesses + n->wait_cycles + n->sleep_cycles;
    const double idle = n->cycles > busy ? (double)(n->cycles - busy) : 0.0;
    const double sum = idle * q->idle_cycle_pc + (double)fram_code * q->fram_code_word_pc +
                       (double)n->fram_data_reads * q->fram_data_word_pc + (double)n->fram_line_fills * q->line_fill_pc +
                       (double)n->wait_cycles * q->wait_cycle_pc + (double)n->fram_writes * q->fram_write_pc +
                       (double)(n->sram_reads + n->sram_code_reads + n->io_reads) * q->sram_read_pc +
                       (double)(n->sram_writes + n->io_writes) * q->sram_write_pc +
                       (double)n->multiplications * q->multiplication_pc + (double)n->sleep_cycles * q->sleep_cycle_pc;
    return sum * q->calibration;
}

uint32_t fml_msp430_register(const fml_msp430_t *m, int index) {
    return m->r[index & 15];
}

void fml_msp430_set_register(fml_msp430_t *m, int index, uint32_t value) {
    set_register(m, (uint32_t)index & 15, value & ADDRESS_MASK);
}

static int is_memory(const fml_msp430_t *m, uint32_t address) {
    return address < MEMORY_BYTES && m->region[address >> 8] != REGION_NONE;
}

size_t fml_msp430_read(const fml_msp430_t *m, uint32_t address, uint8_t *out, size_t n_bytes) {
    size_t i;
    for (i = 0; i < n_bytes && is_memory(m, address + (uint32_t)i); i++) {
        out[i] = m->mem[address + i];
    }
    return i;
}

size_t fml_msp430_write(fml_msp430_t *m, uint32_t address, const uint8_t *data, size_t n_bytes) {
    size_t i;
    for (i = 0; i < n_bytes && is_memory(m, address + (uint32_t)i); i++) {
        m->mem[address + i] = data[i];
    }
    memset(m->way, 0xFF, sizeof m->way);
    return i;
}

void fml_msp430_watch(fml_msp430_t *m, uint32_t address, uint32_t n_bytes) {
    m->watch_low = address;
    m->watch_bytes = n_bytes;
}

void fml_msp430_log(fml_msp430_t *m, int on) {
    m->logging = on;
    m->log_n = 0;
}

void fml_log_write(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t n_bytes) {
    if (m->log_n == m->log_capacity) {
        const size_t capacity = m->log_capacity ? 2 * m->log_capacity : 1024;
        fml_nvm_write_t *grown = realloc(m->log, capacity * sizeof *grown);
        if (!grown) {
            fml_fault(m, "no memory of the host for the log of writes, at", address);
            return;
        }
        m->log = grown;
        m->log_capacity = capacity;
    }
    m->log[m->log_n].address = address;
    m->log[m->log_n].value = (uint16_t)(n_bytes == 1 ? value & 0xFF : value);
    m->log[m->log_n++].n_bytes = (uint16_t)n_bytes;
}

size_t fml_msp430_logged(const fml_msp430_t *m, const fml_nvm_write_t **out) {
    *out = m->log;
    return m->log_n;
}

/* The fields up to those of the host, then I/O and SRAM, then the watched part of FRAM. */
enum { LOW_BYTES = 0x4000 };
static const size_t FIELD_BYTES = offsetof(fml_msp430_t, watch_low);

size_t fml_msp430_state_bytes(const fml_msp430_t *m) {
    return FIELD_BYTES + LOW_BYTES + m->watch_bytes;
}

void fml_msp430_save(const fml_msp430_t *m, uint8_t *out) {
    memcpy(out, m, FIELD_BYTES);
    memcpy(out + FIELD_BYTES, m->mem, LOW_BYTES);
    memcpy(out + FIELD_BYTES + LOW_BYTES, m->mem + m->watch_low, m->watch_bytes);
}

void fml_msp430_load(fml_msp430_t *m, const uint8_t *data) {
    memcpy(m, data, FIELD_BYTES);
    memcpy(m->mem, data + FIELD_BYTES, LOW_BYTES);
    memcpy(m->mem + m->watch_low, data + FIELD_BYTES + LOW_BYTES, m->watch_bytes);
}

size_t fml_msp430_uart_take(fml_msp430_t *m, uint8_t *out, size_t n_bytes) {
    const size_t n = n_bytes < m->uart_n ? n_bytes : m->uart_n;
    memcpy(out, m->uart, n);
    memmove(m->uart, m->uart + n, m->uart_n - n);
    m->uart_n -= n;
    return n;
}
