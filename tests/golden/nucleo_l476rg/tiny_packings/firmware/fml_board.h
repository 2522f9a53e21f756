/* What drivers must know of nucleo_l476rg and of this model; from its board file. */
#ifndef FML_BOARD_H
#define FML_BOARD_H

#define FML_BOARD_NUCLEO_L476RG 1
#define FML_BOARD_CLOCK_HZ 16000000u
#define FML_BOARD_NVM_BASE 0x60000000u /* the address under which C names the first byte of NVM */
#define FML_BOARD_NVM_BYTES 524288u
#define FML_BOARD_NVM_POWER_UP_US 1000u /* until the first access */
#define FML_BOARD_CAPACITANCE_NF 470000u
#define FML_BOARD_V_OFF_MV 2100u
/* Whether each result is a line on the UART: 0 where the capacitor does not pay for it. */
#ifndef FML_REPORT_UART
#define FML_REPORT_UART 1
#endif
#define FML_BOARD_N_INPUTS 1u
/* Of all inputs. Several models in one firmware: of the longest sample. */
#ifndef FML_BOARD_INPUT_BYTES
#define FML_BOARD_INPUT_BYTES 48u
#endif

#endif
