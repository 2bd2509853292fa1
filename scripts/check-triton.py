"""Asks a service of flowmatch by tritonclient, the public client of the Open Inference Protocol.

Usage: python scripts/check-triton.py HOST:PORT MODEL
The model is of points or images without contexts, or of sequences of tokens. Prints what it checked; exits with 1 where
an answer is not right.
"""
import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as triton


def sample(client, model, binary, n=5, seed=2**64 - 1):
    """Samples by inputs and outputs that are in binary, or in JSON."""
    inputs = [triton.InferInput("n", [1], "INT64"), triton.InferInput("seed", [1], "UINT64")]
    inputs[0].set_data_from_numpy(np.array([n], np.int64), binary_data=binary)
    inputs[1].set_data_from_numpy(np.array([seed], np.uint64), binary_data=binary)
    outputs = [triton.InferRequestedOutput("x", binary_data=binary)]
    return client.infer(model, inputs, outputs=outputs).as_numpy("x")


def texts(name, values):
    """A tensor of texts."""
    t = triton.InferInput(name, [len(values)], "BYTES")
    t.set_data_from_numpy(np.array([v.encode() for v in values], dtype=object))
    return t


def asked(address, model, what, body):
    """What the service answers on its other route."""
    request = json.dumps(body).encode()
    with urllib.request.urlopen(f"http://{address}/v1/models/{model}/{what}", request) as answer:
        return json.load(answer)


def tokens(client, address, model):
    """Sequences of tokens, texts that are filled in, and bounds."""
    inputs = [triton.InferInput("n", [1], "INT64"), triton.InferInput("seed", [1], "UINT64")]
    inputs[0].set_data_from_numpy(np.array([3], np.int64))
    inputs[1].set_data_from_numpy(np.array([7], np.uint64))
    result = client.infer(model, inputs)
    drawn = [t.decode() for t in result.as_numpy("text")]
    want = asked(address, model, "sample", {"n": 3, "seed": 7})["x"]
    assert drawn == [row[0] for row in want], (drawn, want)
    ids = result.as_numpy("tokens")
    assert ids.dtype == np.int64 and ids.shape[0] == 3, (ids.dtype, ids.shape)
    print("texts:", drawn)

    if any(i["name"] == "infill" for i in client.get_model_metadata(model)["inputs"]):
        draft = drawn[0][:5] + "▁" * 4 + drawn[0][9:]
        result = client.infer(model, inputs + [texts("infill", [draft])], parameters={"extend": 3, "temperature": 0.7})
        filled = [t.decode() for t in result.as_numpy("text")]
        body = {"n": 3, "seed": 7, "infill": draft, "extend": 3, "temperature": 0.7}
        want = asked(address, model, "sample", body)["x"]
        assert filled == [row[0] for row in want], (filled, want)
        print("filled in:", filled)
    elbo = client.infer(model, [texts("text", drawn)], parameters={"draws": 8, "seed": 1}).as_numpy("elbo")
    assert list(elbo) == asked(address, model, "bound", {"texts": drawn, "draws": 8, "seed": 1})["elbo"], elbo
    print("bounds:", elbo)


def main(address, model):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    assert not client.is_model_ready("there is no such model")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata(model)
    assert client.is_model_ready(model, about["versions"][0])
    print("metadata:", json.dumps(about))

    if any(o["name"] == "tokens" for o in about["outputs"]):
        return tokens(client, address, model)
    x = sample(client, model, True)
    assert x.shape[0] == 5 and x.dtype == np.float64, (x.shape, x.dtype)
    assert np.array_equal(x, sample(client, model, False)), "JSON and binary differ"
    other = asked(address, model, "sample", {"n": 5, "seed": 2**64 - 1})
    assert np.array_equal(x.reshape(5, -1), np.array(other["x"])), "/v1 and /v2 differ"
    print("samples: of the same bits in binary, in JSON and from /v1")

    one = triton.InferInput("n", [1], "INT64")
    one.set_data_from_numpy(np.array([3], np.int64))
    result = client.infer(model, [one], parameters={"solver": "euler", "steps": 4})  # all outputs, in binary
    assert result.as_numpy("x").shape[0] == 3
    assert result.get_response()["parameters"]["solver"].startswith("euler"), result.get_response()
    names = [o["name"] for o in about["outputs"]]
    if "label" in names:
        print("labels:", [t.decode() for t in result.as_numpy("label")])
    if "logp" in names:
        points = triton.InferInput("x", list(x.shape), "FP64")
        points.set_data_from_numpy(x)
        inputs = [points]
        if "label" in names:
            label = triton.InferInput("label", [1], "BYTES")
            label.set_data_from_numpy(np.array([b"0"], dtype=object))
            inputs.append(label)
        print("log-densities:", client.infer(model, inputs).as_numpy("logp"))
    try:
        client.infer(model, [one], parameters={"steps": -1})
    except triton.InferenceServerException as e:
        assert "steps" in str(e), e
        print("a bad request:", e)
    else:
        raise AssertionError("steps of -1 are taken")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
