"""What Segue's service is measured beside, each a server of its own: python benchmarks/peers_serve.py KIND --port P --folder F

constant        sockets and one fixed answer: how much the generator can offer
echo            bare FastAPI under uvicorn (httptools, uvloop): parses the JSON and gives it back
flask           the classic: Flask; for each request parse the JSON, features with pandas, one Booster.predict
flask-network   the same with one onnxruntime call of a GRU

Flask runs under gunicorn with sync workers, under werkzeug's threads where gunicorn is missing. It keeps sessions in a dict,
loses them when it ends, checks nothing, and every model call has one thread and gets an array, not a frame: all in its favour.
Its booster has the trees and leaves of Segue's bundle, fitted on some thousands of sessions; the GRU is as wide as Segue's, with
made-up weights, which take as long.
"""

# annotations are not put off here: FastAPI reads those of functions inside functions
import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

VECTOR = [f"acoustic_vector_{i}" for i in range(8)]
SOUND = ["duration", "release_year", "acousticness", "danceability", "energy", "instrumentalness", "mechanism", "organism",
         "speechiness", "valence", *VECTOR]  # fmt: skip
FLAGS = [
    "skipped",
    "skip_1",
    "skip_3",
    "not_skipped",
    "shuffle",
    "premium",
    "no_pause",
    "short_pause",
    "long_pause",
    "hour",
]
CONTEXTS = ["editorial_playlist", "user_collection", "catalog", "radio", "charts", "personalized_playlist"]
KINDS = ("constant", "echo", "flask", "flask-network")
Score = Callable[[Mapping[str, Any]], float]


def features(session: Mapping[str, Any], tracks: Any) -> Any:
    """(F,) what pandas says of the coming play: about as many features as Segue's bundle has, and of the same kinds."""
    import pandas as pd

    plays, coming = pd.DataFrame(session["plays"]), session["next"]
    heard, asked = tracks.reindex(plays["track"]), tracks.reindex([coming["track"]]).iloc[0]
    skipped, reason = plays["skipped"].astype(float), plays["reason_end"]
    distance = ((heard[VECTOR] - asked[VECTOR]) ** 2).sum(axis=1).to_numpy() ** 0.5
    same = plays["context"] == coming["context"]
    row = {
        "position": len(plays) + 1, "last_skipped": skipped.iloc[-1], "skip_rate": skipped.mean(),
        "second_last_skipped": skipped.iloc[-2] if len(plays) > 1 else np.nan, "last_5": skipped.tail(5).mean(),
        "decayed": skipped.ewm(alpha=0.2).mean().iloc[-1], "skip_run": skipped[::-1].cumprod().sum(),
        "kept_run": (1 - skipped[::-1]).cumprod().sum(), "at_once": plays["skip_1"].iloc[-1],
        "heard_out": plays["not_skipped"].iloc[-1], "depth": (plays["skip_1"] + plays["skip_3"]).ewm(alpha=0.2).mean().iloc[-1],
        "trackdone_rate": (reason == "trackdone").mean(), "last_trackdone": reason.iloc[-1] == "trackdone",
        "last_fwdbtn": reason.iloc[-1] == "fwdbtn", "hour": coming["hour"], "night": coming["hour"] < 6,
        "context": CONTEXTS.index(coming["context"]), "shuffle": coming["shuffle"], "premium": coming["premium"],
        "long_pause": coming["long_pause"], "rate_of_context": skipped[same].mean(),
        "rate_near": skipped[distance < 0.3].mean(), "plays_near": (distance < 0.3).sum(),
        "nearest_skipped": pd.Series(distance)[skipped == 1].min(), "nearest_kept": pd.Series(distance)[skipped == 0].min(),
        "to_last": distance[-1],
    }  # fmt: skip
    return pd.concat([pd.Series(row, dtype=float), asked]).to_numpy(float)


def inputs(session: Mapping[str, Any], tracks: Any) -> dict[str, Any]:
    """What the GRU reads: `plays` (T, 1, C) heard, `coming` (1, C), of which what only the end tells is 0."""
    import pandas as pd

    plays = pd.DataFrame([*session["plays"], session["next"]])
    flags = plays[FLAGS].fillna(0).astype("float32")
    context = pd.get_dummies(pd.Categorical(plays["context"], CONTEXTS)).astype("float32")
    both = pd.concat([flags, context, tracks[SOUND].reindex(plays["track"]).fillna(0).reset_index(drop=True)], axis=1)
    x = both.to_numpy(np.float32)
    return {"plays": x[:-1, None], "coming": x[-1:]}


def prepare(
    folder: Path, library: Path, sessions: Sequence[Any], skipped: Sequence[int], size: tuple[int, int]
) -> None:
    """Write what the Flask apps open: tracks, a booster of `size` trees and leaves, a GRU where onnx is installed."""
    import lightgbm
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    plays = pd.read_parquet(library / "plays", columns=["track", "skipped"])
    rates = plays.groupby("track")["skipped"].agg(["mean", "count"])
    tracks = pd.read_parquet(library / "tracks.parquet", columns=["track", *SOUND]).set_index("track").astype(float)
    tracks.join(rates.rename(columns={"mean": "skip_rate", "count": "n"}).astype(float)).to_parquet(
        folder / "tracks.parquet"
    )
    tracks = pd.read_parquet(folder / "tracks.parquet")
    known = np.array([features(session, tracks) for session in sessions])
    settings = {"objective": "binary", "num_leaves": size[1], "num_threads": 1, "verbosity": -1, "min_data_in_leaf": 20}
    lightgbm.train(settings, lightgbm.Dataset(known, skipped), size[0]).save_model(folder / "booster.txt")
    if find_spec("onnx"):
        (folder / "gru.onnx").write_bytes(gru())


def gru() -> bytes:
    """A GRU over the plays heard, and two dense layers over its last state and the coming play."""
    from onnx import TensorProto, checker, helper, numpy_helper

    from segue.models.recurrent import Gru

    width, columns, rng = Gru().hidden_size, len(FLAGS) + len(CONTEXTS) + len(SOUND), np.random.default_rng(0)
    shapes = {"W": (1, 3 * width, columns), "R": (1, 3 * width, width), "B": (1, 6 * width),
              "W1": (width + columns, width), "b1": (width,), "W2": (width, 1), "b2": (1,)}  # fmt: skip
    weights = [numpy_helper.from_array(rng.normal(0, 0.1, s).astype(np.float32), name) for name, s in shapes.items()]
    weights.append(numpy_helper.from_array(np.array([0], np.int64), "first"))
    nodes = [
        helper.make_node("GRU", ["plays", "W", "R", "B"], ["", "last"], hidden_size=width),
        helper.make_node("Squeeze", ["last", "first"], ["state"]),
        helper.make_node("Concat", ["state", "coming"], ["both"], axis=1),
        helper.make_node("Gemm", ["both", "W1", "b1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["bent"]),
        helper.make_node("Gemm", ["bent", "W2", "b2"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["p"]),
    ]
    reads = [helper.make_tensor_value_info("plays", TensorProto.FLOAT, ["T", 1, columns]),
             helper.make_tensor_value_info("coming", TensorProto.FLOAT, [1, columns])]  # fmt: skip
    graph = helper.make_graph(
        nodes, "gru", reads, [helper.make_tensor_value_info("p", TensorProto.FLOAT, [1, 1])], weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def scorer(kind: str, folder: Path) -> Score:
    import pandas as pd

    tracks = pd.read_parquet(folder / "tracks.parquet")
    if kind == "flask":
        import lightgbm

        booster = lightgbm.Booster(model_file=folder / "booster.txt")
        return lambda session: float(booster.predict(features(session, tracks)[None], num_threads=1)[0])
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    network = onnxruntime.InferenceSession(folder / "gru.onnx", options, ["CPUExecutionProvider"])
    return lambda session: float(network.run(None, inputs(session, tracks))[0][0, 0])


def flask_app(kind: str, folder: str) -> Any:
    from flask import Flask, jsonify, request

    app, score = Flask("peer"), scorer(kind, Path(folder))
    kept: dict[str, list[dict[str, Any]]] = {}

    def answer(plays: list[dict[str, Any]], coming: dict[str, Any]) -> dict[str, Any]:
        p = score({"plays": plays, "next": coming})
        return {"answers": [{"position": len(plays) + 1, "track": coming["track"], "probability": p}]}

    @app.post("/v1/skip")
    def skip() -> Any:
        asked = request.get_json()
        return jsonify(answer(asked["plays"], asked["next"]))

    @app.post("/v1/sessions/<session>/plays")
    def play(session: str) -> Any:
        said = request.get_json()
        coming = said.pop("next", None)
        plays = kept.setdefault(session, [])
        plays.append(said)
        told = {"session": session, "play": said["id"], "position": len(plays)}
        return jsonify(told if coming is None else told | {"answer": answer(plays, coming)})

    @app.get("/ready")
    def ready() -> Any:
        return jsonify(status="ready")

    return app


def echo_app() -> Any:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

    app = FastAPI()

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    async def echo(request: Request) -> JSONResponse:
        return JSONResponse(await request.json())

    app.add_api_route("/v1/skip", echo, methods=["POST"])
    app.add_api_route("/v1/sessions/{session}/plays", echo, methods=["POST"])
    return app


class _Constant(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport, self.left = transport, 0

    def data_received(self, piece: bytes) -> None:
        if not self.left:
            ends = piece.find(b"\r\n\r\n") + 4
            length = piece.lower().find(b"content-length:", 0, ends)
            body = int(piece[length + 15 : piece.find(b"\r\n", length)]) if length >= 0 else 0
            self.left = ends + body
        self.left -= len(piece)
        if not self.left:
            self.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"probability": 0.5}')


def constant(port: int) -> None:
    import uvloop

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Constant, "127.0.0.1", port, backlog=1024)
        await server.serve_forever()

    uvloop.run(serve())


def under() -> str:
    """What Flask runs under here."""
    return "gunicorn, sync workers" if find_spec("gunicorn") else "werkzeug, threads"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("kind", choices=KINDS)
    ask.add_argument("--port", type=int, required=True)
    ask.add_argument("--folder", help="what `prepare` wrote; for Flask")
    ask.add_argument("--workers", type=int, default=1)
    asked = ask.parse_args()
    here = str(Path(__file__).resolve().parent)
    if asked.kind == "constant":
        constant(asked.port)
    elif asked.kind == "echo":
        import uvicorn

        uvicorn.run("peers_serve:echo_app", factory=True, port=asked.port, workers=asked.workers, app_dir=here,
                    http="httptools", loop="uvloop", access_log=False, log_level="warning")  # fmt: skip
    elif find_spec("gunicorn"):
        app = f"peers_serve:flask_app({json.dumps(asked.kind)}, {json.dumps(asked.folder)})"
        os.execv(sys.executable, [sys.executable, "-m", "gunicorn", app, "--pythonpath", here, "--workers", str(asked.workers),
                                  "--bind", f"127.0.0.1:{asked.port}", "--log-level", "warning"])  # fmt: skip
    else:
        flask_app(asked.kind, asked.folder).run(port=asked.port, threaded=True)


if __name__ == "__main__":
    main()
