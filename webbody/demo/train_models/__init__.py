"""Training of the demo's tiny models, in the file formats that the real libraries load.

`python -m webbody.demo.train_models --out DIR` draws its own training photos and writes the pack.
"""
