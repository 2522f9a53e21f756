"""Random networks, freeml's interpreter against the framework they came from: python -m benchmarks.differential.

onnx_nets    random ONNX graphs over the operators of the front end, in float
qdq_nets     random networks quantized by onnxruntime.quantization.quantize_static, in its variants
torch_nets   random torch modules, in the style of modules and of functions
judge        what "the same" means for each, and what counts as wrong
host_c       the emitted C of a net on this machine, bit for bit with the interpreter
run          one net after the other, each from a seed of its own
"""
