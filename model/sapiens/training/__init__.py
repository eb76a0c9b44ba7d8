"""Training Sapiens: masked pretraining on pictures, fine-tuning for four tasks."""
