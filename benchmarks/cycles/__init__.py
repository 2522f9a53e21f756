"""Cycle tables of the kernels: profiled on emulated boards, fitted from above, kept beside the kernels."""
