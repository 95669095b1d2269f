#!/bin/sh
# Makes the environments of the engines that benchmarks compare with, in the folder DIR (3 GB, about 15 minutes on two
# cores): setup.sh DIR [llama] [openvino] [serving]. What is there is kept. Needs a compiler, CMake and Ninja.
#
#   DIR/llama.cpp    llama.cpp, built for this processor: libllama and llama-server
#   DIR/llama        Python with llama-cpp-python over that library
#   DIR/openvino     Python with OpenVINO and optimum-intel
#   DIR/serving      Python with guidellm, the load generator
set -eu

PYTHON=${PYTHON:-python3}
TORCH=torch==2.13.0  # of the CPU build, where the index has one
LLAMA=llama-cpp-python==0.3.36
OPENVINO=openvino==2026.4.1
OPTIMUM='optimum==2.3.0 optimum-intel==2.2.0'
GUIDELLM=guidellm==0.8.1
JOBS=${JOBS:-$(nproc)}
DIR=$1
shift
[ $# -gt 0 ] || set -- llama openvino serving
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)

llama() {
    "$PYTHON" -m venv "$DIR/llama"
    "$DIR/llama/bin/pip" install -q "$TORCH"
    "$DIR/llama/bin/pip" install -q numpy gguf safetensors
    "$DIR/llama/bin/pip" download -q --no-deps --no-binary llama-cpp-python -d "$DIR/source" "$LLAMA"
    tar -xf "$DIR"/source/llama_cpp_python-*.tar.gz -C "$DIR/source"
    source=$(ls -d "$DIR"/source/llama_cpp_python-*/)
    cmake -S "$source/vendor/llama.cpp" -B "$DIR/llama.cpp" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
        -DGGML_NATIVE=ON -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_UI=OFF -DLLAMA_OPENSSL=OFF
    cmake --build "$DIR/llama.cpp" --target llama llama-server -j "$JOBS"
    CMAKE_ARGS=-DLLAMA_BUILD=OFF "$DIR/llama/bin/pip" install -q "$source"
}

# optimum-intel asks for torchvision, which it does not need here and which would bring another build of torch.
openvino() {
    "$PYTHON" -m venv "$DIR/openvino"
    "$DIR/openvino/bin/pip" install -q "$TORCH"
    "$DIR/openvino/bin/pip" install -q "$TORCH" $OPENVINO nncf requests setuptools 'transformers<5.6' 'huggingface-hub<1.22'
    "$DIR/openvino/bin/pip" install -q --no-deps $OPTIMUM openvino-tokenizers
}

serving() {
    "$PYTHON" -m venv "$DIR/serving"
    "$DIR/serving/bin/pip" install -q "$TORCH" "$GUIDELLM"
}

for part in "$@"; do
    [ -e "$DIR/$part/.made" ] && continue
    "$part"
    touch "$DIR/$part/.made"
done
