#!/usr/bin/env bash
# Everything that needs a CUDA GPU, in under 9 minutes: checks against other timers, repeatability, and the GPU report.
#   bash scripts/gpu_session.sh [FOLDER]      # FOLDER: where results go, default reports/<gpu name>
# Needs PyTorch with CUDA, and skaprof's other packages. Never changes a GPU setting. Prints a short table last.
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
gpu=$("$python" -c "import torch; print(torch.cuda.get_device_name(0).lower().replace(' ', '-'))") || exit 3
folder=${1:-reports/$gpu}
mkdir -p "$folder"
latency() { "$python" -m skaprof latency --device cuda "$@"; }

"$python" scripts/check_timers.py --output "$folder/timers.json"
for pair in 56x56,64 28x28,128 14x14,320 7x7,512 14x14,384 14x14,768; do
  size=${pair%,*} dim=${pair#*,}
  latency --size "$size" --dim "$dim" --batch 1,32,128 --mode forward,train --dtype bfloat16,float32 --tf32 \
    --implementation eager,sdpa --max-seconds 50 --output "$folder/stage-$size-d$dim.jsonl" || true
done
latency --size 14x14 --dim 384 --batch 32 --dtype bfloat16 --implementation all --timing cold --max-seconds 60 \
  --output "$folder/implementations.jsonl" || true
"$python" -m skaprof figure 3 --device cuda --output "$folder/figure3.png" --output "$folder/figure3.svg" || true
"$python" -m skaprof env --format json --output "$folder/environment.json"
"$python" scripts/latency_report.py "$folder"
"$python" scripts/check_timers.py --show "$folder/timers.json"
