"""The encoder and decoder as functional Keras models, and their layers."""
