"""Every command of the program: its examples, what stands below it, and its group in `skaprof --help`."""

COMMANDS = {
    "flops": """Examples:

skaprof flops --dim 256

skaprof flops --dim 256 --tokens 16:4096:*2 --baseline mhsa

skaprof flops --mixer mhsa --mixer cska:kernel_size=5 --verify

skaprof flops --tokens 49:3136:49 --format csv --output costs.csv --plot costs.svg""",
    "latency": """Examples:

skaprof latency --tokens 196 --dim 384

skaprof latency --mixer mhsa --mixer ska --batch 1,8,32 --implementation all

skaprof latency --tokens 49:784:49 --output runs.jsonl --plot runs.png

skaprof latency --tokens 49:784:49 --resume runs.jsonl

skaprof latency --tokens 196 --dim 384 --batch 1,8 --threads 1 --runtime pytorch,onnxruntime,openvino""",
    "report": """Examples:

skaprof report --analytic-only --output report

skaprof report --output report --max-seconds 60

skaprof report --latency runs.jsonl --output report

skaprof report --from report/results.json --output redrawn

skaprof report --analytic-only --check --output reports/analytic""",
    "crossover": """Examples:

skaprof crossover --mixer cska --baseline mhsa --axis tokens --dim 320

skaprof crossover --axis dim --tokens 49

skaprof crossover --mixer cska --axis kernel_size --tokens 16 --format json

skaprof crossover --mixer ska --dim 384 --results runs.jsonl --plot crossover.svg""",
    "compare": """Examples:

skaprof compare main.json branch.json

skaprof compare main.json branch.json --fail-on 'macs>0%' --fail-on 'params>0%' --fail-on missing

skaprof compare before.jsonl after.jsonl --fail-on 'median_ms>5%' --format markdown""",
    "merge": """Examples:

skaprof merge shard-1.jsonl shard-2.jsonl shard-3.jsonl --output all.jsonl

skaprof merge h100.jsonl epyc.jsonl --output fleet.jsonl

skaprof merge old.jsonl longer.jsonl --prefer more-rounds --output best.jsonl""",
    "check": """Examples:

skaprof check claims.toml

skaprof check 'cska.macs <= 0.85 * mhsa.macs @ tokens=16,dim=512'

skaprof check claims.toml --results runs.jsonl --strict

skaprof check claims.toml --format markdown --output claims.md""",
    "model": """Examples:

skaprof model caformer_s18

skaprof model caformer_s18 --mixers sepconv,sepconv,ska,mhsa --resolution 224,384

skaprof model vit_small --stage 1=ska:bias=true --depth total --verify

skaprof model caformer_s18 --stage 3=cska --task detection --plot stages.svg

skaprof model my_backbone.toml --depth block --format csv""",
    "audit": """Examples:

skaprof audit

skaprof audit --mixer mhsa --mixer ska --tokens 196 --dim 384

skaprof audit --counter fvcore --counter torch --format json""",
    "roofline": """Examples:

skaprof roofline --hardware h100-sxm --dtype bfloat16

skaprof roofline --hardware l4 --mixer mhsa --mixer cska --implementation eager,sdpa --per-op

skaprof roofline --hardware my-machine.toml --results runs.jsonl --plot roofline.svg""",
    "calibrate": """Examples:

skaprof calibrate --device cpu --output my-machine.toml

skaprof calibrate --device cuda --dtype float32,bfloat16 --output my-gpu.toml""",
    "explain": """Examples:

skaprof explain --mixer ska --baseline mhsa --results runs.jsonl --hardware my-machine.toml

skaprof explain --mixer cska/sdpa --baseline mhsa/sdpa --results runs.jsonl --hardware my-machine.toml --format csv""",
    "search": """Examples:

skaprof search caformer_s18

skaprof search caformer_s18 --mixer mhsa --mixer ska --mixer cska --mixer sepconv --kernel-size 3,5,7

skaprof search caformer_s18 --limit 'params<=26M' --limit 'macs<=4G' --objective macs,traffic_bytes

skaprof search caformer_s18 --per block --mixer mhsa --mixer ska --mixer sepconv --limit 'params>=26M'

skaprof search caformer_s18 --stage 1=sepconv --stage 2=sepconv --task detection --plot front.svg""",
    "swap": """Examples:

skaprof swap my_package.models:build --replace attn=ska

skaprof swap timm:create_model --model-arg model_name=vit_small_patch16_224 --replace Attention=cska

skaprof swap models:Net --model-arg depth=12 --replace 'stages.2.*.mixer=ska' --input BCHW --shape 1x3x256x256""",
    "accuracy": """Examples:

skaprof accuracy --model vit_micro --model 'vit_micro\\[stage1=ska]' --data mnist --output runs.jsonl

skaprof accuracy --model vit_micro --model 'vit_micro\\[stage1=cska]' --match macs --data my-images --seeds 3

skaprof accuracy --model vit_micro --model 'vit_micro\\[stage1=ska]' --data mnist --resume runs.jsonl --seeds 10

skaprof accuracy recipe > recipe.toml

skaprof accuracy import results-imagenet.csv --data ImageNet-1k --output published.json

skaprof accuracy tradeoff runs.jsonl --latency times.jsonl --plot tradeoff.svg""",
    "attention": """Examples:

skaprof attention vit_small --image cat.png --output maps

skaprof attention trained.pt --model 'vit_cifar\\[stage1=ska]' --image cat.png --image dog.png --output maps

skaprof attention models:Net --image cat.png --output maps --query 60x112 --format json""",
    "export": """Examples:

skaprof export ska.onnx --mixer ska --tokens 196 --dim 384

skaprof export caformer.onnx --model caformer_s18 --mixers sepconv,sepconv,ska,mhsa --batch 8

skaprof export mine.onnx --model mine.py:Mine --shape 1x196x256""",
    "explore": """Examples:

skaprof explore --output explorer.html

skaprof explore --mixer mhsa --mixer ska --mixer cska:kernel_size=5 --output explorer.html

skaprof explore --model 'caformer_s18\\[stage3=ska]' --hardware my-machine.toml --results runs.jsonl -o page.html""",
    "figure": "Example: skaprof figure 4 --output figure4.png --output figure4.svg",
    "env": "Example: skaprof env --format json",
}
"""Every command and the examples below its help. Each is the function of its name in the module of its name."""

SUBCOMMANDS = {
    "accuracy": {
        "recipe": "skaprof.cli.accuracy_recipe:recipe",
        "import": "skaprof.cli.accuracy_import:import_accuracies",
        "tradeoff": "skaprof.cli.accuracy_tradeoff:tradeoff",
    }
}
"""Commands that stand below another, which is a command itself: the module and the function of each."""

PANELS = {
    "flops": "What does it cost?",
    "model": "What does it cost?",
    "roofline": "How long does it take?",
    "calibrate": "How long does it take?",
    "explain": "How long does it take?",
    "audit": "Can I trust the counter I used so far?",
    "crossover": "What does it cost?",
    "search": "What does it cost?",
    "swap": "What does it cost?",
    "latency": "How long does it take?",
    "accuracy": "What is it worth?",
    "attention": "What is it worth?",
    "export": "Show and keep it true",
    "explore": "Show and keep it true",
    "figure": "Show and keep it true",
    "report": "Show and keep it true",
    "compare": "Show and keep it true",
    "merge": "Show and keep it true",
    "check": "Show and keep it true",
    "env": "This machine",
}
"""What a user wants to do with each command: the groups of `skaprof --help`."""
