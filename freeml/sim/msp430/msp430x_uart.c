/* eUSCI_A0 as a UART (SLAU367P chapter 30), byte by byte: flags, interrupts and DMA triggers; no bit is ever shifted.
 *
 * Assumed: a byte takes no time in either direction. What the host gives waits until UCA0RXBUF was read and the module
 * is out of reset, as from a sender with flow control; so there is an overrun only where the host asks for one. There
 * are no framing or parity errors. A fault: SPI, multiprocessor and loop-back modes, 7-bit characters, breaks. */
#include <string.h>

#include "msp430x_state.h"

enum {
    UCA0CTLW0 = UART_LOW, UCA0STATW = 0x5CA, UCA0RXBUF = 0x5CC, UCA0TXBUF = 0x5CE, UCA0IE = 0x5DA, UCA0IFG = 0x5DC,
    UCA0IV = 0x5DE
};
enum { RESET = 1, RX = 1, TX = 2, START = 4, COMPLETE = 8, ALL_FLAGS = 15 };
enum { LOOP_BACK = 0x80, OVERRUN = 0x20, ANY_ERROR = 4, ERRORS = 0x7E };
enum { NOT_MODELLED = 0x170E, VECTOR_UART = 0xFFF0 }; /* UC7BIT UCMODE UCSYNC UCDORM UCTXADDR UCTXBRK */

static void set_flags(fml_msp430_t *m, uint32_t flags) {
    const uint32_t rising = flags & ~(uint32_t)m->mem[UCA0IFG] & ~(uint32_t)m->mem[UCA0IE];
    m->mem[UCA0IFG] |= (uint8_t)flags;
    m->attention = 1;
    if (rising & RX) {
        fml_dma_trigger(m, DMA_BY_UCA0RX);
    }
    if (rising & TX) {
        fml_dma_trigger(m, DMA_BY_UCA0TX);
    }
}

static void receive(fml_msp430_t *m, uint8_t byte) {
    if (m->uart_unread) {
        m->mem[UCA0STATW] |= OVERRUN | ANY_ERROR;
    }
    m->mem[UCA0RXBUF] = byte;
    m->uart_unread = 1;
    set_flags(m, RX | START);
}

/* The next byte of the host, when there is room for it. */
static void deliver(fml_msp430_t *m) {
    if (!m->uart_unread && !(m->mem[UCA0CTLW0] & RESET) && m->uart_in_at < m->uart_in_n) {
        receive(m, m->uart_in[m->uart_in_at++]);
    }
}

size_t fml_msp430_uart_give(fml_msp430_t *m, const uint8_t *data, size_t n_bytes) {
    const size_t waiting = m->uart_in_n - m->uart_in_at, room = UART_IN_BYTES - waiting;
    const size_t n = n_bytes < room ? n_bytes : room;
    memmove(m->uart_in, m->uart_in + m->uart_in_at, waiting);
    memcpy(m->uart_in + waiting, data, n);
    m->uart_in_at = 0;
    m->uart_in_n = waiting + n;
    deliver(m);
    return n;
}

size_t fml_msp430_uart_force(fml_msp430_t *m, const uint8_t *data, size_t n_bytes) {
    size_t i;
    if (m->mem[UCA0CTLW0] & RESET) {
        return 0;
    }
    for (i = 0; i < n_bytes; i++) {
        receive(m, data[i]);
    }
    return n_bytes;
}

/* UCA0IV: the highest enabled flag, which reading resets. */
static uint32_t take_vector(fml_msp430_t *m) {
    uint32_t bit;
    for (bit = 0; bit < 4; bit++) {
        if (m->mem[UCA0IFG] & m->mem[UCA0IE] & 1u << bit) {
            m->mem[UCA0IFG] &= (uint8_t) ~(1u << bit);
            return 2 * bit + 2;
        }
    }
    return 0;
}

uint32_t fml_uart_read(fml_msp430_t *m, uint32_t slot) {
    const uint32_t value = raw16(m, slot);
    if (slot == UCA0IV) {
        return take_vector(m);
    }
    if (slot == UCA0RXBUF) {
        m->mem[UCA0STATW] &= (uint8_t)~ERRORS;
        m->mem[UCA0IFG] &= (uint8_t)~RX;
        m->uart_unread = 0;
        deliver(m);
    }
    return value;
}

static void send(fml_msp430_t *m, uint8_t byte) {
    if (m->mem[UCA0CTLW0] & RESET) {
        return;
    }
    if (m->uart_n == UART_BYTES) {
        fml_fault(m, "more UART output than the host took, bytes", UART_BYTES);
        return;
    }
    m->uart[m->uart_n++] = byte;
    m->mem[UCA0IFG] &= (uint8_t)~TX;
    set_flags(m, TX | COMPLETE);
}

static void write_control(fml_msp430_t *m, uint32_t value) {
    if (value & RESET) {
        m->mem[UCA0IE] &= (uint8_t) ~(RX | TX);
        m->mem[UCA0IFG] &= (uint8_t)~RX;
        m->mem[UCA0STATW] &= (uint8_t)~ERRORS;
        m->uart_unread = 0;
        set_flags(m, TX);
    } else if (value & NOT_MODELLED) {
        fml_fault(m, "eUSCI_A0 is modelled as a UART with 8-bit characters, UCA0CTLW0", value);
    } else {
        deliver(m);
    }
}

void fml_uart_written(fml_msp430_t *m, uint32_t slot, uint32_t old) {
    const uint32_t value = raw16(m, slot);
    switch (slot) {
    case UCA0CTLW0: write_control(m, value); break;
    case UCA0STATW:
        put16(m, slot, value & ERRORS);
        if (value & LOOP_BACK) {
            fml_fault(m, "eUSCI_A0 has no loop-back (UCLISTEN), UCA0STATW", value);
        }
        break;
    case UCA0RXBUF: put16(m, slot, old); break; /* read-only */
    case UCA0TXBUF: send(m, (uint8_t)value); break;
    case UCA0IE: put16(m, slot, value & ALL_FLAGS); break;
    case UCA0IFG:
        put16(m, slot, old & value & ALL_FLAGS);
        set_flags(m, value & ALL_FLAGS);
        break;
    case UCA0IV: /* writing clears every flag */
        put16(m, UCA0IV, 0);
        put16(m, UCA0IFG, 0);
        break;
    default: break;
    }
}

/* A DMA transfer that a flag triggered starts. */
void fml_uart_served(fml_msp430_t *m, int is_receiver) {
    m->mem[UCA0IFG] &= (uint8_t)(is_receiver ? ~RX : ~TX);
}

uint32_t fml_uart_pending(const fml_msp430_t *m) {
    return m->mem[UCA0IFG] & m->mem[UCA0IE] ? VECTOR_UART : 0;
}

void fml_uart_reset(fml_msp430_t *m) {
    put16(m, UCA0CTLW0, RESET);
    put16(m, UCA0IFG, TX);
    m->uart_unread = 0;
}
