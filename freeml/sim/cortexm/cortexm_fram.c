/* An SPI FRAM with the commands that CY15B104Q and MB85RS4MT have in common. A byte is in the memory as soon as it is
 * complete; a loss of power leaves the bytes that came before it. */
#include "cortexm_watch.h"

#define WRITE_STATUS 0x01u
#define WRITE 0x02u
#define READ 0x03u
#define WRITE_DISABLE 0x04u
#define READ_STATUS 0x05u
#define WRITE_ENABLE 0x06u
#define LATCH 0x02u /* of the status: WEL */

void fml_fram_select(fml_watch_t *watch, uint32_t selected) {
    fml_fram_t *chip = &watch->devices.fram;
    if (chip->selected && !selected && chip->phase > 0) {
        if (chip->opcode == WRITE || chip->opcode == WRITE_STATUS || chip->opcode == WRITE_DISABLE) {
            chip->write_enabled = 0; /* with the rising edge, whether data came or not */
        } else if (chip->opcode == WRITE_ENABLE) {
            chip->write_enabled = 1;
        }
    }
    chip->selected = selected;
    chip->phase = 0;
}

static uint8_t transfer(fml_watch_t *watch, fml_fram_t *chip, uint8_t byte) {
    uint8_t answer = 0xff;
    if (chip->phase <= 4) {
        chip->address = chip->address << 8 | byte;
        return answer;
    }
    const uint32_t at = chip->address % chip->n_bytes; /* upper address bits are not decoded; the end is followed by 0 */
    if (chip->opcode == READ) {
        answer = chip->bytes[at];
        watch->total.nvm_bytes_read++;
    } else if (chip->write_enabled) {
        chip->bytes[at] = byte;
        fml_watch_note(watch, at, 1, byte);
    }
    chip->address = at + 1u;
    return answer;
}

uint8_t fml_fram_exchange(fml_watch_t *watch, uint8_t byte) {
    fml_fram_t *chip = &watch->devices.fram;
    if (chip->absent) {
        return 0xff;
    }
    const uint32_t phase = chip->phase++;
    if (phase == 0) {
        chip->opcode = byte;
        chip->address = 0;
        watch->total.nvm_commands += byte == READ || byte == WRITE;
        return 0xff;
    }
    if (chip->opcode == READ || chip->opcode == WRITE) {
        return transfer(watch, chip, byte);
    }
    return chip->opcode == READ_STATUS ? (uint8_t)(chip->write_enabled ? LATCH : 0) : 0xff;
}
