#!/bin/sh
# Train a model on the GPUs of this machine, unattended: one process for each, weights spread over all (FSDP2).
#
#   sh runs/garlic-gpu.sh [--depth 8] [--minutes 20] [--data FOLDER] [--out build/garlic-gpu] [--price-per-hour PRICE]
#
# FOLDER as in runs/garlic-cpu.sh. Several machines: set NODES, NODE and MASTER (host:port), and share the folder OUT.
# Written with care, and not yet run on a GPU: none was at hand.
set -eu
DEPTH=8 MINUTES=20 DATA='' OUT=build/garlic-gpu PRICE=''
while [ $# -gt 0 ]; do
    case $1 in
        --depth) DEPTH=$2 ;;
        --minutes) MINUTES=$2 ;;
        --data) DATA=$2 ;;
        --out) OUT=$2 ;;
        --price-per-hour) PRICE=$2 ;;
        *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
. "$(dirname "$0")/stages.sh"
GPUS=${GPUS:-$(nvidia-smi --list-gpus | wc -l)}
[ "$GPUS" -gt 0 ] || { echo "no GPU found; use runs/garlic-cpu.sh" >&2; exit 1; }

if [ "${NODE:-0}" -eq 0 ]; then
    if [ -n "$DATA" ]; then make_corpus --folder "$DATA"; else make_corpus --data "${OWNGPT_DATA:-../shared/data}"; fi
    make_tokenizer "$((DEPTH < 16 ? 16384 : 32768))"
fi
until [ -e "$OUT/tokenizer/tokenizer.json" ]; do sleep 5; done # the first machine makes it for all
LAUNCH="torchrun --nnodes ${NODES:-1} --node-rank ${NODE:-0} --nproc-per-node $GPUS"
if [ -n "${MASTER:-}" ]; then LAUNCH="$LAUNCH --rdzv-backend c10d --rdzv-endpoint $MASTER"; else LAUNCH="$LAUNCH --standalone"; fi
LAUNCH="$LAUNCH -m owngpt"
pretrain --depth "$DEPTH" --minutes "$((MINUTES * 7 / 10))" --micro-tokens 32768 --device cuda ${PRICE:+--price-per-hour "$PRICE"}
[ "${NODE:-0}" -eq 0 ] || exit 0
tune "$((MINUTES * 2 / 10))"
evaluate
finish
