#!/bin/sh
# Train, measure and tune a small model on a CPU, unattended, in about the time that you give it.
#
#   sh runs/garlic-cpu.sh [--minutes 20] [--data FOLDER] [--out build/garlic-cpu] [--depth LAYERS]
#
# FOLDER is text of your own (.txt, .md, .py, .jsonl); without it the archives in ../shared/data are read. Stopped at any
# moment, the same command goes on.
set -eu
MINUTES=20 DATA='' OUT=build/garlic-cpu DEPTH=''
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) MINUTES=$2 ;;
        --data) DATA=$2 ;;
        --out) OUT=$2 ;;
        --depth) DEPTH=$2 ;;
        *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
. "$(dirname "$0")/stages.sh"

# A model that learns something in the time: twice the depth is about ten times the work.
if [ -z "$DEPTH" ]; then DEPTH=$((2 + (MINUTES >= 15) + (MINUTES >= 90) + (MINUTES >= 360))); fi
VOCAB=$((DEPTH < 4 ? 4096 : 16384))

if [ -n "$DATA" ]; then make_corpus --folder "$DATA"; else make_corpus --data "${OWNGPT_DATA:-../shared/data}"; fi
make_tokenizer "$VOCAB"
pretrain --depth "$DEPTH" --minutes "$((MINUTES * 6 / 10))" --device cpu
tune "$((MINUTES * 2 / 10))"
evaluate
finish
