"""Networks compiled for boards, as the tests of MSP430 firmware have them."""

from tests.msp430_firmware.conftest import compiled, copied

__all__ = ["compiled", "copied"]
