"""Installs a Debian package if this process has the rights to, without starting the package's service."""

import os
import shutil
import subprocess

from devservices.progress import say

_SECONDS = 600
# One at a time: two runs at once would collide on apt's lock and on each other's policy file. The policy keeps the
# package's own service from being started (it would take the usual port), only for this call; an existing one stays.
_SCRIPT = """
set -eu
exec 9>/run/contact-distribution-apt.lock
flock -w 540 9
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/zz-no-main-cluster.conf
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy" "$cluster"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod 755 "$policy"
else
    trap 'rm -f "$cluster"' EXIT
fi
mkdir -p "${cluster%/*}"
echo 'create_main_cluster = false' >"$cluster"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$1"
"""


def can_install() -> bool:
    """Whether this is a Debian or Ubuntu and we are root or may become it without a password."""
    if not shutil.which("apt-get"):
        return False
    return os.geteuid() == 0 or _passwordless_sudo()


def install(service: str, package: str) -> bool:
    """Install the package and print progress; returns whether it was installed."""
    say(service, f"installing the package {package}")
    command = ["sh", "-c", _SCRIPT, "install", package]
    if os.geteuid() != 0:
        command = ["sudo", "-n", *command]
    try:
        result = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        say(service, f"apt-get took more than {_SECONDS} s to install {package}; giving up on it")
        return False
    if result.returncode != 0:
        say(service, f"apt-get could not install {package}: {_reason(result.stderr)}")
    return result.returncode == 0


def _passwordless_sudo() -> bool:
    if not shutil.which("sudo"):
        return False
    result = subprocess.run(["sudo", "-n", "true"], check=False, stdin=subprocess.DEVNULL, capture_output=True)
    return result.returncode == 0


def _reason(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.startswith("E:")] or errors.splitlines()
    return lines[0] if lines else "it gave no reason"
