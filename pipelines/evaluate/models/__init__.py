"""Models whose features are evaluated: SapiensID's checkpoints, ONNX files, models of timm."""
