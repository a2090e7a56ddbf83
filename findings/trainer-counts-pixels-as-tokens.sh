#!/usr/bin/env bash
# Versions: transformers 5.24.0, accelerate 1.15.0, torch 2.13.0, NumPy 2.3.5 (CPU).
# Behaviour: the Trainer's floating-point operations of a vision model are 6 x parameters x every number of pixel_values,
#   as if each channel of each pixel were a token: here 188 times what a step does. The tokens themselves play no part.
# Good guess that fails: the total_flos of a training run is an estimate to some tens of per cent, on images as on text.
# Source: transformers/trainer.py, floating_point_ops (numel of the model's main input); the factor: observed, against
#   FlopCounterMode with eager attention.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 transformers==5.24.0 accelerate==1.15.0
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY'
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

print("transformers", transformers.__version__, "torch", torch.__version__)
config = ViTConfig(
    hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
    image_size=32, patch_size=8, attn_implementation="eager",
)
model = ViTForImageClassification(config)
image = torch.zeros(1, 3, 32, 32)
with FlopCounterMode(display=False) as mode:
    model(pixel_values=image, labels=torch.tensor([0])).loss.backward()
trainer = Trainer(model=model, args=TrainingArguments(output_dir="out", use_cpu=True, report_to=[]))
reported = trainer.floating_point_ops({"pixel_values": image})
tokens, parameters = (32 // 8) ** 2 + 1, model.num_parameters(exclude_embeddings=True)
print(f"one step: Trainer {reported:,}, FlopCounterMode {mode.get_total_flops():,}, 6 x tokens x parameters "
      f"{6 * tokens * parameters:,} ({tokens} tokens, {image.numel():,} numbers in the image)")
assert reported == 6 * image.numel() * parameters, "the Trainer counts otherwise now"
assert mode.get_total_flops() == 7_915_776 and reported / mode.get_total_flops() > 180
PY
