/* made by a test */
/* What the board interface must know of this board. Compiler options override it. */
#ifndef FML_BOARD_H
#define FML_BOARD_H

#define FML_CLOCK_HZ 16000000ul

/* The capacitor, and the voltage at which the board stops: for fml_hal_energy_uj(). */
#ifndef FML_CAPACITANCE_NF
#define FML_CAPACITANCE_NF 100000ul
#endif
#ifndef FML_V_OFF_MV
#define FML_V_OFF_MV 1900ul
#endif

/* Where samples come from: see fml_hal_msp430.h. */
#ifndef FML_SENSOR
#define FML_SENSOR FML_SENSOR_WINDOW
#endif

/* Whether each result is a line on the UART: 0 where the capacitor does not pay for it. */
#ifndef FML_REPORT_UART
#define FML_REPORT_UART 1
#endif

/* Of all inputs. Several models in one firmware: of the longest sample. */
#ifndef FML_BOARD_INPUT_BYTES
#define FML_BOARD_INPUT_BYTES 32u
#endif
#endif
