"""The embedded model in another quantisation, without a compiler: llama.cpp's own routine out of xllamacpp's library.

Needs the packages `gguf` and `xllamacpp`; only collecting samples needs either.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

QUANTISATIONS = ("F16", "Q8_0", "Q6_K", "Q5_0", "Q4_0", "Q3_K", "Q2_K")
"""Served in place of the shipped Q4_1. A K-quantisation needs rows of a multiple of 256: the others stay as shipped."""


def requantise(source: Path, target: Path, name: str) -> int:
    """Write `source` with its matrices in the quantisation `name`; returns how many were changed.

    Vectors (norms) stay 32-bit floats, as in every such file; all metadata is copied.
    """
    import gguf

    kind, reader = gguf.GGMLQuantizationType[name], gguf.GGUFReader(source)
    row = gguf.GGML_QUANT_SIZES[kind][0]
    writer = gguf.GGUFWriter(target, _text(reader.fields["general.architecture"]))
    _copy_metadata(reader, writer)
    changed = 0
    for tensor in reader.tensors:
        shape = [int(size) for size in reversed(tensor.shape)]
        if len(shape) < 2 or shape[-1] % row:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(shape)
        if name == "F16":
            writer.add_tensor(tensor.name, values.astype(np.float16))
        else:
            writer.add_tensor(tensor.name, _quantised(values, kind), raw_dtype=kind)
        changed += 1
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return changed


def _quantised(values: Any, kind: Any) -> Any:
    """The rows of `values` as bytes of `kind`, by `ggml_quantize_chunk`."""
    import gguf
    import xllamacpp

    library = ctypes.CDLL(str(next(Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))))
    quantize = library.ggml_quantize_chunk
    quantize.restype = ctypes.c_size_t
    quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows, width = values.shape
    found = np.zeros((rows, width // block * size), dtype=np.uint8)
    values = np.ascontiguousarray(values)
    written = quantize(int(kind), values.ctypes.data, found.ctypes.data, 0, rows, width, None)
    if written != found.size:
        raise ValueError(f"quantised to {written} bytes instead of {found.size}")
    return found


def _copy_metadata(reader: Any, writer: Any) -> None:
    import gguf

    for name, value in reader.fields.items():
        if name.startswith("GGUF.") or name in {"general.architecture", "general.file_type"}:
            continue
        inner = value.types[-1] if value.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value.contents(), value.types[0], sub_type=inner)


def _text(value: Any) -> str:
    return str(value.contents())
