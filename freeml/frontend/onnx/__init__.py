"""ONNX models: `read_onnx`, `from_model_proto` in read.py."""
