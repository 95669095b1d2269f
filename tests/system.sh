#!/bin/sh
# What the tests need from the system: Chromium and a Japanese font for the console, Node for the JavaScript clients,
# PostgreSQL's programs for the tests of storage (no server is set up; each run starts one of its own, and ends it).
# Installs what it can (root on Debian); otherwise says which tests will be skipped. Silent when all is there.

export DEBIAN_FRONTEND=noninteractive

browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

postgresql() {
    command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null
}

can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install() {
    echo "installing $1 for the tests ..."
    shift
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"; } >/dev/null 2>&1 ||
        echo "apt-get could not install $*"
}

if ! browser >/dev/null && can_install; then
    install Chromium chromium fonts-noto-cjk
fi
if ! postgresql >/dev/null && can_install; then
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    install PostgreSQL postgresql
fi
browser >/dev/null || echo "Chromium is not installed: the browser tests will be skipped"
postgresql >/dev/null || echo "PostgreSQL is not installed: the tests with it will be skipped"
command -v node >/dev/null || echo "Node is not installed: the tests with JavaScript clients will be skipped"
exit 0
