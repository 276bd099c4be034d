"""What an exported model is made of: signatures, flags, warm-up requests, its card."""
