#!/bin/sh
# Train Garlic on a CPU, from archives to the folder that `owngpt serve` bundles.
#
#   sh runs/garlic.sh DATA [OUT]
#
# DATA holds the archives that owngpt/training/sources/__init__.py lists. Stopped at any moment, the same command goes on.
set -eu
DATA=${1:?usage: sh runs/garlic.sh DATA [OUT]}
OUT=${2:-build/garlic}
OWNGPT=${OWNGPT:-owngpt}

# Threads that wait without spinning leave the machine usable, and are far faster where other programs run too.
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
# Keep freed memory, in huge pages: without this a tenth of the time goes into page faults (glibc only).
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=4000000000

[ -e "$OUT/corpus/manifest.json" ] || $OWNGPT train corpus --data "$DATA" --out "$OUT/corpus"
[ -e "$OUT/tokenizer/tokenizer.json" ] || $OWNGPT train tokenizer --corpus "$OUT/corpus" --out "$OUT/tokenizer"
$OWNGPT train pretrain --corpus "$OUT/corpus" --tokenizer "$OUT/tokenizer" --out "$OUT/run"

echo "try it:  $OWNGPT serve $OUT/run/model"
