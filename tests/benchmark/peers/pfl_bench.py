"""pfl-research: one process trains a cohort's clients one after the other.

With --workers N this starts N independent processes, each with a cohort of its own, and adds up
their examples/s: what N processes reach at best, before any communication between them.
"""

import json
import subprocess
import sys
import time
from functools import partial

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm import FederatedAveraging, NNAlgorithmParams
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Metrics
from pfl.model.pytorch import PyTorchModel

import torch_models
import workload


class Model(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.layers = torch_models.make_model(name)
        self.loss_of = torch_models.make_loss(name)

    def loss(self, x, y):
        return self.loss_of(self.layers(x), y)

    def metrics(self, x, y):  # pfl asks for it; the first, uncounted round calls it
        from pfl.metrics import Weighted
        return {"loss": Weighted(self.loss(x, y).item() * len(y), len(y))}


class Clock(TrainingProcessCallback):
    def __init__(self):
        self.times = []

    def on_train_begin(self, *, model):
        self.times.append(time.perf_counter())
        return Metrics()

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self.times.append(time.perf_counter())
        return False, Metrics()


def run(args):
    torch.set_num_threads(1)
    x, y = torch_models.load_tensors(args.model, args.data, args.population * args.examples)

    def make_client(client):
        mine = workload.client_slice(args, client)
        order = torch.randperm(args.examples)
        return PyTorchTensorDataset((x[mine][order], y[mine][order]))

    users = list(range(args.population))
    data = FederatedDataset(make_client, get_user_sampler("random", users))
    module = Model(args.model)
    model = PyTorchModel(
        module,
        local_optimizer_create=partial(torch.optim.SGD, momentum=args.momentum),
        central_optimizer=torch.optim.SGD(module.parameters(), lr=1.0))
    clock = Clock()
    FederatedAveraging().run(
        backend=SimulatedBackend(training_data=data, val_data=data,
                                 postprocessors=[WeightByDatapoints()]),
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=args.rounds, evaluation_frequency=10**9,
            train_cohort_size=args.cohort, val_cohort_size=0),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1, local_learning_rate=args.lr, local_batch_size=args.batch),
        callbacks=[clock],
        send_metrics_to_platform=False)
    workload.report("pfl", args, clock.times)


def main():
    args = workload.parse_arguments()
    np.random.seed(1)
    if args.workers == 1:
        return run(args)
    command = [sys.executable, *sys.argv, "--workers", "1"]
    copies = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
              for _ in range(args.workers)]
    outputs = [json.loads(copy.communicate()[0].splitlines()[-1]) for copy in copies]
    result = outputs[0]
    result["examples_per_s"] = sum(o["examples_per_s"] for o in outputs)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
