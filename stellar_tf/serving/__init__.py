"""The exported model as a service: KServe's protocols over a SavedModel."""
