/* Registers of the MSP430FR58xx/59xx family that freeml's firmware uses, by their names in TI's guide SLAU367. */
#ifndef FML_MSP430_H
#define FML_MSP430_H

#include <stdint.h>

#define FML_REG16(address) (*(volatile uint16_t *)(address))
#define FML_REG8(address) (*(volatile uint8_t *)(address))

#define PM5CTL0 FML_REG16(0x0130) /* LOCKLPM5: pins hold their state of before the reset */

#define FRCTL0 FML_REG16(0x0140)
#define FRCTL0_H FML_REG8(0x0141)
#define FRCTL0_PASSWORD 0xa500u
#define FRCTL0_NWAITS(n) ((uint16_t)((n) << 4))

#define CSCTL0 FML_REG16(0x0160)
#define CSCTL0_H FML_REG8(0x0161)
#define CSCTL1 FML_REG16(0x0162)
#define CSCTL3 FML_REG16(0x0166)
#define CSCTL0_PASSWORD 0xa500u
#define CSCTL1_8_MHZ 0x000cu  /* DCOFSEL 6 */
#define CSCTL1_16_MHZ 0x0048u /* DCORSEL, DCOFSEL 4 */
#define CSCTL3_QUARTER 0x0222u
#define CSCTL3_FULL 0x0000u

#define REFCTL0 FML_REG16(0x01b0)
#define REFCTL0_ON_2000_MV 0x0011u
#define REFCTL0_OFF 0x0000u
#define REFCTL0_READY 0x1000u

#define P2SEL0 FML_REG8(0x020b)
#define P2SEL1 FML_REG8(0x020d)
#define P2_UART_PINS 0x03u /* P2.0 TXD, P2.1 RXD */

#define UCA0CTLW0 FML_REG16(0x05c0)
#define UCA0BRW FML_REG16(0x05c6)
#define UCA0MCTLW FML_REG16(0x05c8)
#define UCA0STATW FML_REG16(0x05ca)
#define UCA0RXBUF FML_REG16(0x05cc)
#define UCA0TXBUF FML_REG16(0x05ce)
#define UCA0IFG FML_REG16(0x05dc)
#define UCA0CTLW0_HELD 0x0081u /* SMCLK, 8N1, in reset */
#define UCA0CTLW0_RUNS 0x0080u
#define UCA0STATW_BUSY 0x0001u
#define UCA0IFG_RX 0x0001u
#define UCA0IFG_TX 0x0002u

#define ADC12CTL0 FML_REG16(0x0800)
#define ADC12CTL1 FML_REG16(0x0802)
#define ADC12CTL2 FML_REG16(0x0804)
#define ADC12CTL3 FML_REG16(0x0806)
#define ADC12IFGR0 FML_REG16(0x080c)
#define ADC12MCTL0 FML_REG16(0x0820)
#define ADC12MEM0 FML_REG16(0x0860)
#define ADC12CTL0_ON 0x0310u      /* 32 clocks of sampling; channel 31 needs 1.7 us, these are 6.7 */
#define ADC12CTL0_START 0x0003u   /* ENC, SC */
#define ADC12CTL1_SINGLE 0x0200u  /* pulse mode, MODOSC, started by software */
#define ADC12CTL2_12_BITS 0x0020u
#define ADC12CTL3_BATTERY 0x0040u /* channel 31 is half the supply */
#define ADC12MCTL0_BATTERY 0x011fu /* channel 31 against the reference */
#define ADC12IFGR0_DONE 0x0001u

/* The multiplier. */
#define MPY FML_REG16(0x04c0)
#define OP2 FML_REG16(0x04c8)
#define RES0 FML_REG16(0x04e4)
#define RES1 FML_REG16(0x04e6)
#define RES2 FML_REG16(0x04e8)
#define RES3 FML_REG16(0x04ea)
#define MPY32L FML_REG16(0x04d0)
#define MPY32H FML_REG16(0x04d2)
#define OP2L FML_REG16(0x04e0)
#define OP2H FML_REG16(0x04e2)

#endif
