#!/bin/sh
# learning_rates.sh CONFIG METRIC LR...: one run for each learning rate, a line "LR VALUE" for each.
# Called again, it goes on: runs that are done are not run again, the one that was cut off resumes.
set -eu
flsim=${FLSIM:-bazel-bin/flsim}
config=$1 metric=$2
shift 2
for lr in "$@"; do
  status=0
  value=$("$flsim" --config "$config" --set "training.lr=$lr" --out "runs/lr-$lr" --resume \
    --progress none --print "$metric") || status=$?
  case $status in
    0) echo "$lr $value" ;;
    4) echo "$lr diverged" ;;
    *) exit "$status" ;;
  esac
done
