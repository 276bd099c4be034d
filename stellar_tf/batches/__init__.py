"""From records to batches of tensors."""
