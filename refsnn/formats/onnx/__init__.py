"""ONNX: read without a protobuf library, its graph as a network; source networks written as ONNX."""
