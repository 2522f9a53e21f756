"""Post-training int8: ranges from calibration samples, one scale per value, integers for every op.

The result is a Graph@QUANTIZED that the interpreter, the host and every board execute bit for bit alike.
"""
