"""TensorFlow Lite models: `read_tflite` in read.py."""
