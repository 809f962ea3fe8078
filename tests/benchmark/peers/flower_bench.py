"""Flower's simulation engine (Ray): one thread per actor, data in each actor's memory."""

import logging
import os
import pathlib
import time
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
HERE = str(pathlib.Path(__file__).resolve().parent)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")])

import torch
from flwr.app import ArrayRecord, MetricRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

import torch_models
import workload


def make_client_app(args):
    app = ClientApp()

    @app.train()
    def train(message, context):
        torch.set_num_threads(1)
        model = torch_models.make_model(args.model)
        model.load_state_dict(message.content["arrays"].to_torch_state_dict())
        loss = torch_models.train(args, model, context.node_config["partition-id"])
        content = RecordDict({
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"train_loss": loss, "num-examples": args.examples}),
        })
        return Message(content=content, reply_to=message)

    return app


def make_server_app(args, times):
    app = ServerApp()

    @app.main()
    def main(grid, context):
        strategy = FedAvg(fraction_train=args.cohort / args.population, fraction_evaluate=0.0,
                          min_train_nodes=args.cohort, min_available_nodes=args.population)
        strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(torch_models.make_model(args.model).state_dict()),
            num_rounds=args.rounds,
            evaluate_fn=lambda server_round, arrays: times.append(time.perf_counter()))

    return app


def main():
    args = workload.parse_arguments()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    times = []
    run_simulation(
        server_app=make_server_app(args, times),
        client_app=make_client_app(args),
        num_supernodes=args.population,
        backend_config={
            "init_args": {"num_cpus": args.workers, "logging_level": logging.ERROR,
                          "log_to_driver": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        })
    workload.report("flower", args, times)


if __name__ == "__main__":
    main()
