"""Sapiens: vision transformers of people, pretrained without labels, with heads for four tasks."""
