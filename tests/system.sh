#!/bin/sh
# What the tests need from the system: Chromium and a Japanese font for the console, Node for the JavaScript clients.
# Installs Chromium where it can (root on Debian); otherwise says which tests will be skipped. Silent when all is there.

browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

if ! browser >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Chromium for the browser tests ..."
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk; } >/dev/null 2>&1 ||
        echo "apt-get could not install Chromium"
fi
browser >/dev/null || echo "Chromium is not installed: the browser tests will be skipped"
command -v node >/dev/null || echo "Node is not installed: the tests with JavaScript clients will be skipped"
exit 0
