#!/usr/bin/env bash
# Versions: tensorflow-cpu 2.21.0, Keras 3.15.1, NumPy 2.4.6 (CPU).
# Behaviour: a Keras Conv2D is 0 float operations to TensorFlow's profiler as soon as it has groups; one of groups=1, and
#   a DepthwiseConv2D, which is the same work as one of as many groups as channels, are counted in full.
# Good guess that fails: groups divide the work by their number. (Keras hands a grouped convolution to a function of its
#   own that XLA compiles; the graph then has a call where the convolution was, and calls have no float operations.)
# Source: keras/src/backend/tensorflow/nn.py, conv; the ops of the graph, printed here.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python -W ignore - 2>errors.log <<'PY' || { cat errors.log; exit 1; }
import keras
import tensorflow as tf
from tensorflow.compat.v1 import profiler
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

print("tensorflow", tf.__version__, "keras", keras.__version__)
SIZE, CHANNELS = 16, 8


def float_operations(layer: keras.layers.Layer) -> tuple[int, set[str]]:
    """The profiler's, and the ops of the graph that do something."""
    model = keras.Sequential([keras.Input((SIZE, SIZE, CHANNELS), 1), layer])
    called = tf.function(model).get_concrete_function(tf.TensorSpec((1, SIZE, SIZE, CHANNELS), tf.float32))
    _, definition = convert_variables_to_constants_v2_as_graph(called)
    options = profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(definition, name="")
        found = profiler.profile(graph=graph, cmd="scope", options=options)
    return found.total_float_ops, {node.op for node in definition.node} - {"Const", "Identity", "NoOp", "Placeholder"}


whole = 2 * SIZE * SIZE * CHANNELS * CHANNELS * 9
seen = {}
for groups in (1, 2, CHANNELS):
    layer = keras.layers.Conv2D(CHANNELS, 3, padding="same", groups=groups, use_bias=False)
    seen[groups], ops = float_operations(layer)
    print(f"Conv2D of {groups} group(s): {seen[groups]:,} float operations of {whole // groups:,}; ops {sorted(ops)}")
depthwise, _ = float_operations(keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False))
print(f"DepthwiseConv2D: {depthwise:,} of {whole // CHANNELS:,}")
assert (seen[1], depthwise) == (whole, whole // CHANNELS), "what was counted in full is not any more"
assert seen[2] == seen[CHANNELS] == 0, "grouped convolutions are counted now"
PY
