/* Registers of the peripherals that freeml's drivers use. What they do is data (parts.py); an access to any other
 * register, a bit that nobody described, or a peripheral without its clock ends the run with the address. A byte on the
 * SPI takes its time; the UART and the ADC take none. What a line on the UART costs is priced by its baud rate
 * (plan/result_line.py), and no inference's counts have a report in them. */
#include "cortexm_watch.h"

uint64_t fml_devices_read(void *emulator, uint64_t offset, unsigned size, void *user);
void fml_devices_write(void *emulator, uint64_t offset, unsigned size, uint64_t value, void *user);

static void fail(fml_watch_t *watch, void *emulator, uint32_t fault, uint32_t address) {
    if (watch->devices.fault == FML_FAULT_NONE) {
        watch->devices.fault = fault;
        watch->devices.fault_address = address;
    }
    watch->stop(emulator);
}

static fml_register_t *find(fml_devices_t *devices, uint32_t address) {
    uint32_t first = 0, behind = devices->n_registers;
    while (first < behind) {
        const uint32_t middle = (first + behind) / 2u;
        if (devices->registers[middle].address < address) {
            first = middle + 1u;
        } else {
            behind = middle;
        }
    }
    const uint8_t there = first < devices->n_registers && devices->registers[first].address == address;
    return there ? &devices->registers[first] : NULL;
}

/* The register at an address, clocked; NULL where the access is a fault. */
static fml_register_t *reach(fml_watch_t *watch, void *emulator, uint32_t address) {
    fml_devices_t *devices = &watch->devices;
    fml_register_t *at = find(devices, address);
    if (at == NULL) {
        fail(watch, emulator, FML_FAULT_UNKNOWN, address);
        return NULL;
    }
    if (at->gate >= 0 && (devices->registers[at->gate].value & at->gate_mask) != at->gate_mask) {
        fail(watch, emulator, FML_FAULT_UNCLOCKED, address);
        return NULL;
    }
    return at;
}

static uint32_t shifted(uint32_t value, int32_t left) {
    return left >= 0 ? value << left : value >> -left;
}

static uint32_t followed(const fml_devices_t *devices, const fml_register_t *at) {
    if (at->follow < 0) {
        return 0;
    }
    return shifted(devices->registers[at->follow].value & at->follow_mask, at->follow_shift);
}

/* --- SPI ----------------------------------------------------------------------------------------------------------- */

static uint8_t arrived(const fml_watch_t *watch) {
    return watch->devices.pending && watch->total.cycles >= watch->devices.ready_at;
}

static uint32_t byte_cycles(const fml_devices_t *devices) {
    if (devices->spi_divider_kind == 0) {
        return devices->byte_cycles;
    }
    const uint32_t rate = devices->registers[devices->spi_divider_register].value >> devices->spi_divider_shift & 7u;
    return 8u << (rate + 1u);
}

static void send(fml_watch_t *watch, void *emulator, uint32_t address, uint8_t byte) {
    fml_devices_t *devices = &watch->devices;
    for (uint32_t i = 0; i < devices->n_required; i++) {
        const fml_required_t *rule = &devices->required[i];
        if ((devices->registers[rule->index].value & rule->mask) != rule->value) {
            fail(watch, emulator, FML_FAULT_PINS, devices->registers[rule->index].address);
            return;
        }
    }
    if (devices->pending) {
        fail(watch, emulator, FML_FAULT_BUSY, address);
    } else if (!devices->fram.selected) {
        fail(watch, emulator, FML_FAULT_UNSELECTED, address);
    } else {
        devices->received = fml_fram_exchange(watch, byte);
        devices->pending = 1;
        devices->ready_at = watch->total.cycles + byte_cycles(devices);
    }
}

static uint32_t receive(fml_watch_t *watch, void *emulator, uint32_t address) {
    if (!arrived(watch)) {
        fail(watch, emulator, FML_FAULT_BUSY, address);
    }
    watch->devices.pending = 0;
    return watch->devices.received;
}

static void set_pins(fml_watch_t *watch, void *emulator, fml_register_t *pins, uint32_t value) {
    fml_devices_t *devices = &watch->devices;
    const uint32_t changed = pins->value ^ value;
    pins->value = value;
    if (pins != &devices->registers[devices->select_register] || (changed & devices->select_mask) == 0) {
        return;
    }
    if (devices->pending) {
        fail(watch, emulator, FML_FAULT_BUSY, pins->address);
    }
    const uint32_t selected = (value & devices->select_mask) == 0;
    if (selected && watch->total.cycles < devices->fram.ready_at) {
        fail(watch, emulator, FML_FAULT_POWER_UP, pins->address);
    }
    fml_fram_select(watch, selected);
}

/* --- UART and ADC -------------------------------------------------------------------------------------------------- */

static void transmit(fml_devices_t *devices, uint8_t byte) {
    if (devices->sent_bytes < devices->sent_capacity) {
        devices->sent[devices->sent_bytes++] = byte;
    }
}

static uint32_t take_incoming(fml_devices_t *devices) {
    return devices->incoming_at < devices->incoming_bytes ? devices->incoming[devices->incoming_at++] : 0;
}

static uint32_t converted(fml_watch_t *watch, void *emulator, const fml_register_t *at) {
    fml_devices_t *devices = &watch->devices;
    const uint32_t channel = followed(devices, at);
    uint32_t input_mv = 0;
    if (!devices->converted) {
        fail(watch, emulator, FML_FAULT_CHANNEL, at->address);
    }
    devices->converted = 0;
    if (channel == devices->capacitor_channel) {
        input_mv = devices->capacitor_mv / 2u; /* the divider of the wiring */
    } else if (channel == devices->reference_channel) {
        input_mv = devices->reference_mv;
    } else {
        fail(watch, emulator, FML_FAULT_CHANNEL, at->address);
    }
    const uint32_t code = input_mv * devices->adc_most / devices->supply_mv;
    return code < devices->adc_most ? code : devices->adc_most;
}

/* --- accesses ------------------------------------------------------------------------------------------------------ */

static uint32_t spi_status(const fml_watch_t *watch, const fml_register_t *at) {
    const fml_devices_t *devices = &watch->devices;
    const uint8_t shifting = devices->pending && watch->total.cycles < devices->ready_at;
    return at->reset | (arrived(watch) ? at->receive : 0) | (devices->pending ? 0 : at->transmit) |
           (shifting ? at->busy : 0);
}

uint64_t fml_devices_read(void *emulator, uint64_t offset, unsigned size, void *user) {
    fml_watch_t *watch = user;
    fml_devices_t *devices = &watch->devices;
    const uint32_t address = (uint32_t)(watch->devices_base + offset);
    fml_register_t *at = reach(watch, emulator, address);
    (void)size;
    if (at == NULL) {
        return 0;
    }
    switch (at->kind) {
    case FML_SPI_STATUS:
        return spi_status(watch, at);
    case FML_SPI_EVENT:
        return arrived(watch);
    case FML_SPI_RECEIVE:
    case FML_SPI_DATA:
        return receive(watch, emulator, address);
    case FML_UART_STATUS:
        return at->reset | (devices->incoming_at < devices->incoming_bytes ? at->receive : 0);
    case FML_UART_RECEIVE:
        return take_incoming(devices);
    case FML_ADC_RESULT:
        return converted(watch, emulator, at);
    default:
        return at->value | followed(devices, at);
    }
}

/* nRF: a written task sets the events that follow it. */
static void raise_events(fml_devices_t *devices, const fml_register_t *task) {
    const int32_t index = (int32_t)(task - devices->registers);
    for (uint32_t i = 0; i < devices->n_registers; i++) {
        fml_register_t *at = &devices->registers[i];
        if (at->kind == FML_EVENT && at->follow == index) {
            at->value = 1;
        }
    }
}

static void store(fml_watch_t *watch, void *emulator, fml_register_t *at, uint32_t value) {
    if (((at->value ^ value) & ~at->writable) != 0) {
        fail(watch, emulator, FML_FAULT_BITS, at->address);
        return;
    }
    at->value = value;
    raise_events(&watch->devices, at);
}

void fml_devices_write(void *emulator, uint64_t offset, unsigned size, uint64_t value, void *user) {
    fml_watch_t *watch = user;
    fml_devices_t *devices = &watch->devices;
    const uint32_t address = (uint32_t)(watch->devices_base + offset), word = (uint32_t)value;
    fml_register_t *at = reach(watch, emulator, address);
    if (at == NULL) {
        return;
    }
    /* STM32: the width of an access to the data register says how many bytes go out. Elsewhere it is a word. */
    if (size != 4 && !(size == 1 && (at->kind == FML_SPI_DATA || at->kind == FML_SPI_SEND))) {
        fail(watch, emulator, FML_FAULT_SIZE, address);
        return;
    }
    switch (at->kind) {
    case FML_PINS:
        set_pins(watch, emulator, at, word);
        break;
    case FML_PINS_BSRR:
    case FML_PINS_SET:
    case FML_PINS_CLEAR: {
        fml_register_t *pins = &devices->registers[at->follow];
        const uint32_t set = at->kind == FML_PINS_BSRR ? word & 0xffffu : at->kind == FML_PINS_SET ? word : 0;
        const uint32_t clear = at->kind == FML_PINS_BSRR ? word >> 16 : at->kind == FML_PINS_CLEAR ? word : 0;
        set_pins(watch, emulator, pins, (pins->value & ~clear) | set);
        break;
    }
    case FML_SPI_SEND:
        send(watch, emulator, address, (uint8_t)word);
        break;
    case FML_SPI_DATA:
        if (size != 1) {
            fail(watch, emulator, FML_FAULT_SIZE, address);
            break;
        }
        send(watch, emulator, address, (uint8_t)word);
        break;
    case FML_UART_SEND:
        transmit(devices, (uint8_t)word);
        raise_events(devices, at);
        break;
    case FML_ADC_CONTROL:
        store(watch, emulator, at, word);
        devices->converted |= word & at->transmit;
        at->value &= ~at->busy; /* what a driver starts is done at once */
        break;
    case FML_SAADC_SAMPLE: {
        devices->converted = 1;
        const uint32_t code = converted(watch, emulator, at);
        const uint8_t result[2] = {(uint8_t)code, (uint8_t)(code >> 8)};
        if (watch->memory_write(emulator, devices->registers[at->receive].value, result, sizeof result) != 0) {
            fail(watch, emulator, FML_FAULT_CHANNEL, address);
        }
        raise_events(devices, at);
        break;
    }
    case FML_FLAGS:
        break;
    case FML_SPI_EVENT:
        break; /* the event is the arrival itself, which reading the byte clears */
    case FML_UART_STATUS:
    case FML_SPI_STATUS:
    case FML_SPI_RECEIVE:
    case FML_UART_RECEIVE:
    case FML_ADC_RESULT:
        if (at->kind == FML_UART_STATUS && at->writable != 0) {
            break; /* nRF: an event, which comes back while there are bytes */
        }
        fail(watch, emulator, FML_FAULT_BITS, address);
        break;
    default:
        store(watch, emulator, at, word);
        break;
    }
}

/* --- the core's timer ---------------------------------------------------------------------------------------------- */

#define SYSTICK_CONTROL 0xe000e010u
#define SYSTICK_RELOAD 0xe000e014u
#define SYSTICK_VALUE 0xe000e018u
#define ENABLE 1u
#define OF_CORE_CLOCK 4u
#define HAS_COUNTED (1u << 16)

uint64_t fml_system_read(void *emulator, uint64_t offset, unsigned size, void *user);
uint64_t fml_system_read(void *emulator, uint64_t offset, unsigned size, void *user) {
    fml_watch_t *watch = user;
    fml_systick_t *timer = &watch->devices.systick;
    const uint32_t address = (uint32_t)(watch->system_base + offset);
    const uint64_t now = watch->total.cycles, period = (uint64_t)timer->reload + 1u;
    const uint8_t runs = (timer->control & ENABLE) != 0;
    if (address == SYSTICK_CONTROL && size == 4) {
        const uint8_t counted = runs && now >= timer->zero_at;
        if (counted) { /* reading clears it */
            timer->zero_at += ((now - timer->zero_at) / period + 1u) * period;
        }
        return timer->control | (counted ? HAS_COUNTED : 0);
    }
    fail(watch, emulator, FML_FAULT_UNKNOWN, address);
    return 0;
}

void fml_system_write(void *emulator, uint64_t offset, unsigned size, uint64_t value, void *user);
void fml_system_write(void *emulator, uint64_t offset, unsigned size, uint64_t value, void *user) {
    fml_watch_t *watch = user;
    fml_systick_t *timer = &watch->devices.systick;
    const uint32_t address = (uint32_t)(watch->system_base + offset), word = (uint32_t)value;
    if (size != 4 || (address != SYSTICK_CONTROL && address != SYSTICK_RELOAD && address != SYSTICK_VALUE)) {
        fail(watch, emulator, FML_FAULT_UNKNOWN, address);
    } else if (address == SYSTICK_RELOAD) {
        timer->reload = word & 0xffffffu;
    } else if (address == SYSTICK_CONTROL && (word & ~(ENABLE | OF_CORE_CLOCK)) != 0) {
        fail(watch, emulator, FML_FAULT_BITS, address); /* its interrupt has no model */
    } else {
        timer->control = address == SYSTICK_CONTROL ? word : timer->control;
        timer->zero_at = watch->total.cycles + timer->reload + 1u; /* from the next cycle on it counts from `reload` */
    }
}

/* Power was off. */
void fml_devices_reset(fml_watch_t *watch);
void fml_devices_reset(fml_watch_t *watch) {
    fml_devices_t *devices = &watch->devices;
    for (uint32_t i = 0; i < devices->n_registers; i++) {
        devices->registers[i].value = devices->registers[i].reset;
    }
    devices->pending = devices->converted = 0;
    devices->fault = FML_FAULT_NONE;
    devices->fram.ready_at = watch->total.cycles + devices->fram.power_up_cycles;
    devices->systick.control = devices->systick.reload = 0;
    devices->fram.selected = devices->fram.write_enabled = devices->fram.phase = 0;
}
