"""The public functions: what each command of the command line calls.

They are reached as ``stellar_tf.NAME``. Paths may be str or Path; settings are a
`Config`, a YAML file or the name of one that comes with the package. TensorFlow, and
all else that is slow, is imported in the functions, so that ``import stellar_tf`` and
``--help`` answer at once.
"""
