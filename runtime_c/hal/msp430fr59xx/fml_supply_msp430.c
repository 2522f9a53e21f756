/* What the capacitor still holds, from the supply voltage: ADC12_B has half of it on channel 31. */
#include "fml_hal_msp430.h"
#include "fml_msp430.h"

#define FULL_SCALE_MV 4000ul /* twice the reference */
#define CODES 4096ul

static uint16_t supply_mv(void) {
    REFCTL0 = REFCTL0_ON_2000_MV;
    ADC12CTL0 = 0;
    ADC12CTL1 = ADC12CTL1_SINGLE;
    ADC12CTL2 = ADC12CTL2_12_BITS;
    ADC12CTL3 = ADC12CTL3_BATTERY;
    ADC12MCTL0 = ADC12MCTL0_BATTERY;
    ADC12CTL0 = ADC12CTL0_ON;
    while ((REFCTL0 & REFCTL0_READY) == 0) {
    }
    ADC12CTL0 = ADC12CTL0_ON | ADC12CTL0_START;
    while ((ADC12IFGR0 & ADC12IFGR0_DONE) == 0) {
    }
    const uint32_t code = ADC12MEM0;
    ADC12CTL0 = ADC12CTL0_ON; /* only what may not convert can be switched off */
    ADC12CTL0 = 0;
    REFCTL0 = REFCTL0_OFF;
    return (uint16_t)((code * FULL_SCALE_MV + FULL_SCALE_MV / 2) / CODES); /* the middle of the code's step */
}

/* C / 2 * (v^2 - v_off^2) in 32 bits: the squares' difference, below 1.6e7 mV^2, is divided before it is multiplied, so
 * that it and the capacitance keep three digits each. */
uint32_t fml_hal_energy_uj(void) {
    const uint32_t v_mv = supply_mv();
    if (v_mv <= FML_V_OFF_MV) {
        return 0;
    }
    const uint32_t square_mv2 = (v_mv + FML_V_OFF_MV) * (v_mv - FML_V_OFF_MV);
#if FML_CAPACITANCE_NF < 30000
    return square_mv2 / 125u * FML_CAPACITANCE_NF / 16000000u;
#elif FML_CAPACITANCE_NF < 30000000
    return square_mv2 / 125u * (FML_CAPACITANCE_NF / 1000u) / 16000u;
#else
    return square_mv2 / 2000u * (FML_CAPACITANCE_NF / 1000000u);
#endif
}
