#!/bin/sh
# Installs the real servers that the live tests drive, from Debian's packages. Needs root; starts none of them.
set -eu

packages="prometheus prometheus-alertmanager prometheus-snmp-exporter mosquitto snmpd snmp chromium chromium-driver \
iproute2 systemd victoria-metrics python3 python3-venv python3-gdbm fonts-dejavu-core"

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "live tests: not root on Debian, so these are not installed and their tests will be skipped:$missing"
    exit 0
fi

echo "live tests: installing$missing"
# Their own services would take the ports of a machine's real ones: let dpkg start none.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
echo "live tests: servers installed"
