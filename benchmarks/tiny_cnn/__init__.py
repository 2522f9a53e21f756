"""The tiny CNN that code generators are compared on: 1x16x16, twice conv 3x3, relu, pool (8, 16 channels), fc 10.

3,818 parameters, 94,720 multiply-accumulates, random weights. Other tools on the same network, x86 instructions per
inference by callgrind: CMSIS-NN's C path 0.91 M (int8), onnx2c 1.62 M (float), NNoM 1.68 M (int8), TFLM 4.68 M (int8).
"""
