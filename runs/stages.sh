# The stages that the scripts beside this one share. They set OUT, and DATA where it is a folder of one's own.
OWNGPT=${OWNGPT:-owngpt}
MODEL=$OUT/run/model

# Threads that wait without spinning leave the machine usable, and are far faster where other programs run too.
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
# Keep freed memory, in huge pages: without this a tenth of the time goes into page faults (glibc only).
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=4000000000

make_corpus() { # --data FOLDER | --folder FOLDER
    [ -e "$OUT/corpus/manifest.json" ] || $OWNGPT train corpus "$@" --out "$OUT/corpus"
}

make_tokenizer() { # number of tokens
    [ -e "$OUT/tokenizer/tokenizer.json" ] || $OWNGPT train tokenizer --corpus "$OUT/corpus" --out "$OUT/tokenizer" --vocab-size "$1"
}

pretrain() { # options; LAUNCH is what starts the command, where it is not owngpt itself
    [ -e "$MODEL/model.safetensors" ] || ${LAUNCH:-$OWNGPT} train pretrain --corpus "$OUT/corpus" --tokenizer "$OUT/tokenizer" --out "$OUT/run" "$@"
}

tune() { # minutes
    [ -e "$OUT/tuned/model/model.safetensors" ] ||
        $OWNGPT train sft --model "$MODEL" --corpus "$OUT/corpus" --out "$OUT/tuned" --minutes "$1"
    TALKING=$OUT/tuned/model
}

evaluate() {
    [ -e "$OUT/eval.json" ] || $OWNGPT eval run --model "$TALKING" --corpus "$OUT/corpus" --limit 50 --out "$OUT/eval.json"
}

finish() {
    echo "the curves are in $OUT/run/model/loss.svg, every step in $OUT/run/metrics.csv, the tasks in $OUT/eval.md"
    echo "talk to it:  $OWNGPT serve $TALKING    or    $OWNGPT chat $TALKING"
}
