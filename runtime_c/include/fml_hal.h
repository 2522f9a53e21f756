/* What the runtime asks of a board. A port is one C file that defines these functions: runtime_c/hal. */
#ifndef FML_HAL_H
#define FML_HAL_H

#include <stddef.h>
#include <stdint.h>

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of a function that runs once in an inference or less: its bytes count, not its cycles. */
#ifdef __clang__
#define FML_SMALL __attribute__((minsize))
#else
#define FML_SMALL
#endif

/* Write n bytes to NVM: the only way in which freeml changes persistent memory. Stores happen in ascending order, none
 * is merged, delayed or left out by the compiler (volatile). An aligned write of two bytes is one store: where the model
 * has one commit slot, the NVM must make that store atomic. src lies in SRAM and does not overlap dst. n may be 0.
 * Power may fail at any instant within. */
void fml_hal_nvm_write(void *dst, const void *src, size_t n);

/* Read n bytes of NVM into SRAM at dst: the only way in which the runtime looks at NVM. Where NVM hangs on a bus, src lies
 * in the window of addresses that the linker script has for it, in which there is no memory: the driver subtracts its
 * base. n may be 0. An interrupt handler may call it amid any function of this file and amid itself, by way of
 * fml_result(): no state may be shared, or it must be as it was when the handler returns. A driver of a bus keeps interrupts
 * off while bytes are on their way, not for longer than a piece of a transfer, and begins a transfer anew that a handler
 * ended (hal/fram). The other functions are called by no handler. */
void fml_hal_nvm_read(void *dst, const void *src, size_t n);

/* All writes before are persistent before any write after. Nothing to do on FRAM behind a bus that keeps stores in
 * order; wait for write buffers, caches or the status register of a chip elsewhere. */
void fml_hal_nvm_barrier(void);

/* Fill dst with the codes [first, first + n) of an input, 0 to n_inputs - 1, in memory order (an input's scale and zero
 * point are in the model's header). Returns 0, or a negative fml_status_t: nothing to infer on yet, and fml_step()
 * returns it. All chunks of a capture, inputs and bytes ascending, come in one power cycle or are asked for again. */
int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst);

/* A result was published: say so to whoever wants to know. Returns 0, and the next step captures the next input; or a
 * negative fml_status_t: not now, fml_step() returns it, and the next step tries again. Every result is reported at least
 * once; a loss before the report is committed brings it again, with the same sequence number. Until then its outputs can
 * be read (fml_read_output), after the loss, too. */
int fml_hal_report(const fml_model_t *model, const fml_result_t *result);

/* Energy that the capacitor can still give, in microjoules. Only decisions ask, and a decision is committed before it is
 * acted upon: two readings may differ as they like. */
uint32_t fml_hal_energy_uj(void);

/* Milliseconds since the first capture of this inference was committed, times without power among them. FML_NO_TIME where
 * nothing kept it: a policy that has a deadline takes it for passed. Boards without a timekeeper have none of this; freeml
 * compile gives them no such policy. */
#define FML_NO_TIME 0xfffffffful
uint32_t fml_hal_elapsed_ms(void);

#ifdef __cplusplus
}
#endif

#endif
