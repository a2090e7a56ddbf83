"""The TensorFlow profiler's float operations of a Keras model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skaprof.count.asked import Said


def load_tf_profiler() -> Callable[[Any, Any], Said]:
    """The profiler, given the graph of one call with its weights as constants."""
    import tensorflow as tf
    from tensorflow.compat.v1 import profiler
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    def count(model: Any, x: Any) -> Said:
        called = tf.function(model).get_concrete_function(tf.TensorSpec(x.shape, tf.float32))
        _, definition = convert_variables_to_constants_v2_as_graph(called)
        options = profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(definition, name="")
            found = profiler.profile(graph=graph, cmd="scope", options=options)
        return Said(float(found.total_float_ops), float(model.count_params()))

    return count
